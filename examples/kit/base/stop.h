/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_STOP_H
#define KIT_BASE_STOP_H

/* Ctrl-C, TERM and HUP: the first one asks the program to save and end, which is said on stderr at
 * once; the second one ends it. Under nohup HUP stays ignored. */

void stop_install(void);

/* The signal that came, or 0. A program that ends because of it exits with 128 + signal. */
int stop_signal(void);

#endif
