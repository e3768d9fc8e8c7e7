// The exceptions that leave the C++ layers. Each maps to the builtin that a Python user would catch
// (src/python/kit/errors.cpp). They are a program's as well, so they are declared among the public headers.
#pragma once

#include <emd/errors.h>
