// The codec as functions of the module, for its tests (tests/python/containers: test_codec.py, test_keys.py).
#pragma once

#include <Python.h>

namespace pyr {

// Adds _encode_value, _decode_value, _encode_key and _decode_key. Returns -1 with an error set.
int add_codec_functions(PyObject* module);

}  // namespace pyr
