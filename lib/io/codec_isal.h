/* The faster gzip decoder; its address is NULL in programs that are linked without it. */
#ifndef STOOK_IO_CODEC_ISAL_H
#define STOOK_IO_CODEC_ISAL_H

#include "lib/io/codec.h"

extern const struct decoder codec_isal_decoder __attribute__((weak));

#endif
