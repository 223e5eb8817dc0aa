/* Fields and small helpers that all convolutions share. */
#ifndef PLAIT_CONV_H
#define PLAIT_CONV_H

#include "act.h"

/* Bottom and right padding follow from the sizes of the result. */
#define CONV_GEOMETRY(X, S)                                                                  \
    X(S, INT, n) X(S, INT, ic) X(S, INT, ih) X(S, INT, iw) X(S, INT, oc) X(S, INT, oh) X(S, INT, ow) \
    X(S, INT, kh) X(S, INT, kw) X(S, INT, stride_h) X(S, INT, stride_w) X(S, INT, pad_t) X(S, INT, pad_l) \
    X(S, INT, dil_h) X(S, INT, dil_w) SPLIT_FIELD(X, S)

/* res (or NULL) has the layout of y and is added before the activation. */
#define CONV_OPERANDS(X, S) X(S, REF, x) X(S, REF, w) X(S, REF, bias) X(S, REF, res) X(S, REF, y)

#endif
