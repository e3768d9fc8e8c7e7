// EMD_API marks what programs may use: all else is hidden, in a shared library and where a program links the static
// one.
#pragma once

#if defined(__GNUC__)
#define EMD_API __attribute__((visibility("default")))
#else
#define EMD_API
#endif
