// The export macro: every symbol outside the public API stays hidden.
#pragma once

#if defined(ADDAX_STATIC)
#define ADDAX_API
#elif defined(_WIN32)
#if defined(ADDAX_BUILD)
#define ADDAX_API __declspec(dllexport)
#else
#define ADDAX_API __declspec(dllimport)
#endif
#else
#define ADDAX_API __attribute__((visibility("default")))
#endif
