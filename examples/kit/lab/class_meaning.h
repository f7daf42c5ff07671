/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_CLASS_MEANING_H
#define KIT_LAB_CLASS_MEANING_H

/* Did a training teach a model its classes? A model that learnt log p(x) alone has outputs f(x)[y]
 * like any other, but nothing tied them to labels: its p(y|x), and so its accuracy, mean nothing. */

#include <stdint.h>

/* *why: NULL where the classes mean something, or where the file does not say how it was trained;
 * otherwise the reason, to follow "no accuracy: ". `classes`: how many the model has. */
int class_meaning(const char *model, int64_t classes, const char **why);

#endif
