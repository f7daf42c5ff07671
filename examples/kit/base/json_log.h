/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_JSON_LOG_H
#define KIT_BASE_JSON_LOG_H

/* JSON files: logs of one object per line, flushed line by line so that a killed program loses
 * none, and single objects. */

#include <stdio.h>

#include <jansson.h>

/* jansson tells nobody that memory ran out while an object was built or read: members or characters
 * are missing, that is all. From json_start() on it is noted, and whatever writes, reads or asks
 * below fails then. cli_parse() calls it. */
void json_start(void);

/* EXIT_FAILED, after a report, once memory has run out. */
int json_sound(void);

/* Open a log; `append` keeps the lines that are there. */
int json_log_open(const char *path, int append, FILE **out);

/* Write one line and give the object back (also on failure). `object` NULL: no memory. */
int json_log_line(FILE *log, json_t *object);

/* A number; NaN and infinities, which JSON does not know, become null. */
json_t *json_number(double value);
void json_set_number(json_t *object, const char *name, double value);

/* A text as JSON can hold it (text.h): bytes that are not UTF-8 are shown as U+FFFD. NULL: no
 * memory. */
json_t *json_text(const char *text);

/* A text; NULL becomes null. One that is not UTF-8 also gets a member NAME_bytes, where its bytes
 * are percent-encoded. */
void json_set_text(json_t *object, const char *name, const char *text);

/* Such a text as it was (free()); NULL: there is none, or no memory. */
char *json_get_text(const json_t *object, const char *name);

/* One object in a file, indented; gives the object back. Written to a temporary file first. */
int json_write_file(const char *path, json_t *object);

/* What json_loadb() does, and without harm where memory runs out: NULL, and json_sound() says so. */
json_t *json_read_text(const char *text, size_t length, size_t flags, json_error_t *error);

/* A value from a text; `what` names it in messages. */
int json_parse(const char *what, const char *text, size_t length, json_t **out);

/* Read an object; *out = NULL without an error when there is no such file. */
int json_read_file(const char *path, json_t **out);

#endif
