/* SPDX-License-Identifier: MIT */
/* <jem/version.h>: the version this library was built as. */

#include <jem/version.h>

#define TEXT_OF(x) #x
#define NUMBER(x)  TEXT_OF(x)
#define VERSION                                                                                \
    NUMBER(JEM_VERSION_MAJOR) "." NUMBER(JEM_VERSION_MINOR) "." NUMBER(JEM_VERSION_PATCH)

int32_t jem_version_number(void)
{
    return JEM_VERSION_NUMBER;
}

const char *jem_version_string(void)
{
    return VERSION;
}
