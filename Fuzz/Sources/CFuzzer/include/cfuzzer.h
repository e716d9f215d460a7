/*
 * libFuzzer as a library: "Using libFuzzer as a library" in LLVM's libFuzzer manual.
 * SwiftPM names an executable's entry point itself, so libFuzzer's own main is not used.
 */
#ifndef CFUZZER_H
#define CFUZZER_H

#include <stddef.h>
#include <stdint.h>

int			LLVMFuzzerRunDriver(int *argc, char ***argv,
								int (*one_input) (const uint8_t *bytes, size_t count));

#endif
