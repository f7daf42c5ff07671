/* SPDX-License-Identifier: MIT */
/* Files: what is there is read whole or refused; what is replaced is replaced whole or not at
 * all, and no temporary file stays behind. */

#include "check_core.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jem/status.h>

#include "core/context.h"
#include "core/file.h"
#include "core/memory.h"
#include "test_support.h"

static jem_test_memory memory;
static jem_context *ctx;

static void setup(void)
{
    memset(&memory, 0, sizeof memory);
    jem_check_ok(
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, &memory, &ctx));
}

static void teardown(void)
{
    jem__context_unref(ctx);
    jem_check_no_leak(&memory);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    ck_assert_int_eq(fclose(file), 0);
}

static void check_holds(const char *path, const char *text)
{
    char found[64] = "";
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(found, 1, sizeof found - 1, file), strlen(text));
    fclose(file);
    ck_assert_str_eq(found, text);
}

/* Files beside `path` whose name begins as its temporary ones would. */
static int32_t temporaries(const char *path)
{
    char folder[JEM_TEST_PATH], prefix[JEM_TEST_PATH + 8];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    snprintf(prefix, sizeof prefix, "%s.tmp-", strrchr(path, '/') + 1);
    DIR *list = opendir(folder);
    ck_assert_ptr_nonnull(list);
    int32_t count = 0;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(list);
    return count;
}

/* --- Reading ------------------------------------------------------------------------------- */

START_TEST(files_are_read_at_any_place)
{
    char path[JEM_TEST_PATH], out[16] = "";
    jem_test_path("read", path);
    put(path, "0123456789");
    struct jem__reader *r = NULL;
    jem_check_ok(jem__reader_open(ctx, "jem_x", path, &r));
    ck_assert_int_eq(jem__reader_size(r), 10);
    jem_check_ok(jem__reader_read(r, 3, out, 4));
    ck_assert_str_eq(out, "3456");
    jem_check_ok(jem__reader_read(r, 0, out, 10));
    ck_assert_str_eq(out, "0123456789");
    jem_check_ok(jem__reader_read(r, 10, out, 0));
    const int64_t bad[][2] = {{-1, 1}, {0, -1}, {0, 11}, {10, 1}, {11, 0}, {5, INT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        jem_check_fails(jem__reader_read(r, bad[i][0], out, bad[i][1]), JEM_E_FORMAT,
                        "has 10 bytes, needed are");
    jem__reader_close(r);
    jem__reader_close(NULL);
}
END_TEST

START_TEST(files_are_slurped)
{
    char path[JEM_TEST_PATH];
    uint8_t *bytes = NULL;
    int64_t length = -1;
    jem_test_path("slurp", path);
    put(path, "abc");
    jem_check_ok(jem__file_slurp(ctx, "jem_x", path, &bytes, &length));
    ck_assert_int_eq(length, 3);
    ck_assert_mem_eq(bytes, "abc", 3);
    jem__free(ctx, bytes);
    put(path, "");
    jem_check_ok(jem__file_slurp(ctx, "jem_x", path, &bytes, &length));
    ck_assert_int_eq(length, 0);
    jem__free(ctx, bytes);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    char path[JEM_TEST_PATH];
    uint8_t *bytes = NULL;
    int64_t length = -1;
    jem_test_path("nothing", path);
    jem_check_fails(jem__file_slurp(ctx, "jem_x", path, &bytes, &length), JEM_E_IO,
                    "jem_x: cannot open \"/tmp/");
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "No such file or directory"));
    ck_assert(bytes == NULL && length == 0);
    jem_check_fails(jem__file_slurp(ctx, "jem_x", "/tmp", &bytes, &length), JEM_E_IO,
                    "\"/tmp\": not a regular file");
    jem_check_fails(jem__file_slurp(ctx, "jem_x", "/dev/null", &bytes, &length), JEM_E_IO,
                    "not a regular file");
    jem_check_fails(jem__file_slurp(ctx, "jem_x", "", &bytes, &length), JEM_E_IO, "No such");
    jem_test_path("pipe", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    jem_check_fails(jem__file_slurp(ctx, "jem_x", path, &bytes, &length), JEM_E_IO,
                    "not a regular file"); /* and does not hang */
}
END_TEST

START_TEST(long_paths_leave_room_for_the_reason)
{
    char path[3000];
    uint8_t *bytes = NULL;
    int64_t length = 0;
    memset(path, 'd', sizeof path);
    for (size_t i = 0; i < sizeof path; i += 100)
        path[i] = '/';
    memcpy(path + sizeof path - 10, "/its-name", 10);
    jem_check_fails(jem__file_slurp(ctx, "jem_x", path, &bytes, &length), JEM_E_IO,
                    "/its-name\": No such file or directory");
}
END_TEST

START_TEST(shrinking_files_are_noticed)
{
    char path[JEM_TEST_PATH], out[16];
    struct jem__reader *r = NULL;
    jem_test_path("shrinks", path);
    put(path, "0123456789");
    jem_check_ok(jem__reader_open(ctx, "jem_x", path, &r));
    ck_assert_int_eq(truncate(path, 4), 0);
    jem_check_fails(jem__reader_read(r, 0, out, 10), JEM_E_FORMAT,
                    "shrank while it was read: it had 10 bytes and ends at byte 4 now");
    jem__reader_close(r);
}
END_TEST

/* --- Writing ------------------------------------------------------------------------------- */

/* `bytes` bytes in pieces of 1, 2, 3, ... or of one size; what jem__writer_finish() says. */
static jem_status write_pattern(const char *path, int64_t bytes, int64_t piece)
{
    struct jem__writer *w = NULL;
    jem_status status = jem__writer_open(ctx, "jem_x", path, &w);
    if (status != JEM_OK) {
        ck_assert_ptr_null(w);
        return status;
    }
    char *block = malloc((size_t)bytes + 1);
    ck_assert_ptr_nonnull(block);
    for (int64_t i = 0; i < bytes; i++)
        block[i] = (char)(i * 7 + i / 251);
    int64_t at = 0;
    for (int64_t size = piece > 0 ? piece : 1;
         status == JEM_OK && at<bytes; size += piece> 0 ? 0 : 1) {
        const int64_t count = size < bytes - at ? size : bytes - at;
        status = jem__writer_write(w, block + at, count);
        at += count;
    }
    free(block);
    if (status != JEM_OK) {
        jem__writer_abandon(w);
        return status;
    }
    return jem__writer_finish(w);
}

START_TEST(files_are_written_whole)
{
    const int64_t pieces[] = {0, 1000, 65535, 65536, 65537, 300000};
    char path[JEM_TEST_PATH];
    jem_test_path("write", path);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        uint8_t *bytes = NULL;
        int64_t length = 0;
        put(path, "old");
        jem_check_ok(write_pattern(path, 300000, pieces[i]));
        jem_check_ok(jem__file_slurp(ctx, "jem_x", path, &bytes, &length));
        ck_assert_int_eq(length, 300000);
        int64_t wrong = 0;
        for (int64_t at = 0; at < length; at++)
            wrong += bytes[at] != (uint8_t)(at * 7 + at / 251);
        ck_assert_int_eq(wrong, 0);
        jem__free(ctx, bytes);
        ck_assert_int_eq(temporaries(path), 0);
    }
    jem_check_ok(write_pattern(path, 0, 0));
    check_holds(path, "");
}
END_TEST

START_TEST(new_files_obey_the_umask)
{
    char path[JEM_TEST_PATH];
    struct stat about;
    jem_test_path("mode", path);
    const mode_t before = umask(027);
    jem_check_ok(write_pattern(path, 3, 0));
    umask(before);
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_uint_eq(about.st_mode & 0777, 0640);
}
END_TEST

START_TEST(the_old_file_stays_until_finish)
{
    char path[JEM_TEST_PATH];
    struct jem__writer *w = NULL;
    jem_test_path("old", path);
    put(path, "old");
    jem_check_ok(jem__writer_open(ctx, "jem_x", path, &w));
    jem_check_ok(jem__writer_write(w, "new", 3));
    check_holds(path, "old");
    ck_assert_int_eq(temporaries(path), 1);
    jem__writer_abandon(w);
    check_holds(path, "old");
    ck_assert_int_eq(temporaries(path), 0);
    jem__writer_abandon(NULL);
}
END_TEST

START_TEST(other_temporaries_are_left_alone)
{
    char path[JEM_TEST_PATH], other[JEM_TEST_PATH + 64];
    jem_test_path("taken", path);
    snprintf(other, sizeof other, "%s.tmp-%ld-0", path, (long)getpid());
    put(other, "of somebody else");
    jem_check_ok(write_pattern(path, 3, 0));
    check_holds(other, "of somebody else");
    ck_assert_int_eq(temporaries(path), 1);
}
END_TEST

START_TEST(relative_paths_work)
{
    char path[JEM_TEST_PATH], before[1024];
    jem_test_path("relative", path);
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    *strrchr(path, '/') = '\0';
    ck_assert_int_eq(chdir(path), 0);
    const jem_status status = write_pattern("relative", 3, 0);
    ck_assert_int_eq(access("relative", R_OK), 0);
    ck_assert_int_eq(chdir(before), 0);
    jem_check_ok(status);
}
END_TEST

START_TEST(bad_targets_are_refused)
{
    char path[JEM_TEST_PATH];
    jem_test_path("a-folder", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    jem_check_fails(write_pattern(path, 3, 0), JEM_E_IO, "a-folder\": Is a directory");
    ck_assert_int_eq(temporaries(path), 0);
    ck_assert_int_eq(rmdir(path), 0);
    jem_test_path("missing/file", path);
    jem_check_fails(write_pattern(path, 3, 0), JEM_E_IO, "jem_x: cannot create \"");
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "No such file or directory"));
    jem_check_fails(write_pattern("", 3, 0), JEM_E_IO, "cannot");
    jem_test_path("round", path);
    ck_assert_int_eq(symlink("round", path), 0);
    jem_check_fails(write_pattern(path, 3, 0), JEM_E_IO, "symbolic links");
}
END_TEST

/* A link stays; what it leads to, over any number of folders, is replaced or made. */
START_TEST(links_are_followed)
{
    char folder[JEM_TEST_PATH], link[JEM_TEST_PATH], path[JEM_TEST_PATH + 16];
    struct stat about;
    jem_test_path("elsewhere", folder);
    jem_test_path("link", link);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/target", folder);
    for (int32_t round = 0; round < 2; round++) { /* dangling, then not */
        if (round == 0) {
            ck_assert_int_eq(symlink("elsewhere/second", link), 0);
            char second[JEM_TEST_PATH + 16];
            snprintf(second, sizeof second, "%s/second", folder);
            ck_assert_int_eq(symlink(path, second), 0); /* an absolute one behind a relative */
        }
        jem_check_ok(write_pattern(link, 3 + round, 0));
        ck_assert_int_eq(lstat(link, &about), 0);
        ck_assert(S_ISLNK(about.st_mode));
        ck_assert_int_eq(lstat(path, &about), 0);
        ck_assert(S_ISREG(about.st_mode));
        ck_assert_int_eq(about.st_size, 3 + round);
        ck_assert_int_eq(temporaries(link), 0);
        ck_assert_int_eq(temporaries(path), 0);
    }
}
END_TEST

/* Reads all of a pipe; how many bytes came. */
static void *drain(void *arg)
{
    char block[4096];
    const char *path = arg;
    const int fd = open(path, O_RDONLY);
    ssize_t n;
    intptr_t total = 0;
    while ((n = read(fd, block, sizeof block)) > 0)
        total += n;
    close(fd);
    return (void *)total;
}

/* In place of a device, which a root whose library has this wrong would lose. */
START_TEST(what_is_no_file_is_written_to)
{
    char path[JEM_TEST_PATH];
    struct stat about;
    pthread_t reader;
    void *total;
    jem_test_path("a-pipe", path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, drain, path), 0);
    jem_check_ok(write_pattern(path, 300000, 1000));
    ck_assert_int_eq(pthread_join(reader, &total), 0);
    ck_assert_int_eq((intptr_t)total, 300000);
    ck_assert_int_eq(lstat(path, &about), 0);
    ck_assert(S_ISFIFO(about.st_mode));
    ck_assert_int_eq(temporaries(path), 0);

    /* Nobody reads: an error, not the end of the process. */
    const int end = open(path, O_RDONLY | O_NONBLOCK);
    struct jem__writer *w = NULL;
    jem_check_ok(jem__writer_open(ctx, "jem_x", path, &w));
    close(end);
    jem_check_ok(jem__writer_write(w, "new", 3));
    jem_check_fails(jem__writer_finish(w), JEM_E_IO, "Broken pipe");
    sigset_t pending;
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
}
END_TEST

/* An open descriptor is written to where it stands. */
START_TEST(descriptors_are_appended_to)
{
    char path[JEM_TEST_PATH], name[64], text[32] = "";
    jem_test_path("open", path);
    const int fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "before ", 7), 7);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    struct jem__writer *w = NULL;
    jem_check_ok(jem__writer_open(ctx, "jem_x", name, &w));
    jem_check_ok(jem__writer_write(w, "mine", 4));
    jem_check_ok(jem__writer_finish(w));
    ck_assert_int_eq(write(fd, " after", 6), 6);
    ck_assert_int_eq(pread(fd, text, sizeof text - 1, 0), 17);
    ck_assert_str_eq(text, "before mine after");
    close(fd);
    jem_check_fails(jem__writer_open(ctx, "jem_x", "/dev/fd/99999", &w), JEM_E_IO,
                    "Bad file descriptor");
}
END_TEST

START_TEST(a_file_keeps_its_mode)
{
    char path[JEM_TEST_PATH];
    struct stat about;
    jem_test_path("kept-mode", path);
    put(path, "old");
    ck_assert_int_eq(chmod(path, 0604), 0);
    jem_check_ok(write_pattern(path, 3, 0));
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_uint_eq(about.st_mode & 07777, 0604);
}
END_TEST

/* A leftover goes with the next save; the file of a save under way does not. */
START_TEST(leftovers_go)
{
    char path[JEM_TEST_PATH], left[JEM_TEST_PATH + 32];
    struct jem__writer *w = NULL;
    jem_test_path("leaves", path);
    jem_check_ok(jem__writer_open(ctx, "jem_x", path, &w));
    for (int32_t i = 0; i < 1100; i++) {
        snprintf(left, sizeof left, "%s.tmp-%016x", path, (unsigned)i);
        put(left, "of a process that was killed");
    }
    ck_assert_int_eq(temporaries(path), 1101);
    jem_check_ok(write_pattern(path, 3, 0));
    ck_assert_int_eq(temporaries(path), 1); /* that of w */
    jem_check_ok(jem__writer_write(w, "mine", 4));
    jem_check_ok(jem__writer_finish(w));
    check_holds(path, "mine");
    ck_assert_int_eq(temporaries(path), 0);
}
END_TEST

START_TEST(a_folder_made_in_the_meantime_stays)
{
    char path[JEM_TEST_PATH];
    struct jem__writer *w = NULL;
    jem_test_path("late-folder", path);
    jem_check_ok(jem__writer_open(ctx, "jem_x", path, &w));
    jem_check_ok(jem__writer_write(w, "new", 3));
    ck_assert_int_eq(mkdir(path, 0700), 0);
    jem_check_fails(jem__writer_finish(w), JEM_E_IO, "jem_x: cannot replace \"");
    ck_assert_int_eq(temporaries(path), 0);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* As root nothing is read-only, so root becomes nobody for the attempt. */
START_TEST(a_read_only_folder_keeps_its_file)
{
    char folder[JEM_TEST_PATH], parent[JEM_TEST_PATH], path[JEM_TEST_PATH + 8];
    jem_test_path("locked", folder);
    jem_test_path(".", parent);
    snprintf(path, sizeof path, "%s/file", folder);
    ck_assert_int_eq(mkdir(folder, 0755), 0);
    put(path, "old");
    ck_assert_int_eq(chmod(folder, 0555), 0);
    ck_assert_int_eq(chmod(parent, 0755), 0);
    const int32_t root = geteuid() == 0;
    ck_assert(!root || seteuid(65534) == 0);
    jem_check_fails(write_pattern(path, 3, 0), JEM_E_IO, "file.tmp-");
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "Permission denied"));
    ck_assert(!root || seteuid(0) == 0);
    check_holds(path, "old");
    ck_assert_int_eq(temporaries(path), 0);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert(unlink(path) == 0 && rmdir(folder) == 0);
}
END_TEST

/* A full disk, by way of a limit on the size of files. `_i`: bytes of each write. */
START_TEST(a_full_disk_keeps_the_old_file)
{
    const int64_t pieces[] = {1000, 65536, 1000000};
    char path[JEM_TEST_PATH];
    jem_test_path("full", path);
    put(path, "old");
    struct rlimit usual;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
    const struct rlimit small = {200000, usual.rlim_max};
    struct sigaction ignore, before;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, &before), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    const jem_status status = write_pattern(path, 1000000, pieces[_i]);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &usual), 0);
    ck_assert_int_eq(sigaction(SIGXFSZ, &before, NULL), 0);
    jem_check_fails(status, JEM_E_IO, "jem_x: cannot write \"");
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "File too large"));
    check_holds(path, "old");
    ck_assert_int_eq(temporaries(path), 0);
}
END_TEST

/* The last bytes may fail in finish(); and who ignores a failed write gets no file either. */
START_TEST(finish_reports_what_failed)
{
    char path[JEM_TEST_PATH];
    static const char block[300000];
    jem_test_path("finish", path);
    put(path, "old");
    struct rlimit usual;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
    const struct rlimit small = {1000, usual.rlim_max};
    struct sigaction ignore, before;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    ck_assert_int_eq(sigaction(SIGXFSZ, &ignore, &before), 0);
    for (int64_t bytes = 2000; bytes <= 300000; bytes += 298000) {
        struct jem__writer *w = NULL;
        jem_check_ok(jem__writer_open(ctx, "jem_x", path, &w));
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        const jem_status written = jem__writer_write(w, block, bytes);
        const jem_status finished = jem__writer_finish(w);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &usual), 0);
        ck_assert_int_eq(written, bytes == 2000 ? JEM_OK : JEM_E_IO);
        jem_check_fails(finished, JEM_E_IO,
                        bytes == 2000 ? "File too large" : "an earlier write failed");
        check_holds(path, "old");
        ck_assert_int_eq(temporaries(path), 0);
    }
    ck_assert_int_eq(sigaction(SIGXFSZ, &before, NULL), 0);
}
END_TEST

/* --- Out of memory ------------------------------------------------------------------------- */

static jem_status file_scenario(jem_test_memory *mine, void *arg)
{
    const char *path = arg;
    jem_context *own = NULL;
    struct jem__writer *w = NULL;
    uint8_t *bytes = NULL;
    int64_t length = 0;
    jem_status status =
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, mine, &own);
    if (status != JEM_OK)
        return status;
    status = jem__writer_open(own, "jem_x", path, &w);
    if (status == JEM_OK)
        status = jem__writer_write(w, "new", 3);
    if (status == JEM_OK)
        status = jem__writer_finish(w);
    if (status == JEM_OK)
        status = jem__file_slurp(own, "jem_x", path, &bytes, &length);
    jem__free(own, bytes);
    jem__context_unref(own);
    ck_assert_int_eq(temporaries(path), 0);
    return status;
}

START_TEST(no_memory_at_any_call_leaves_no_file)
{
    char path[JEM_TEST_PATH];
    jem_test_path("nomem", path);
    ck_assert_int_ge(jem_check_survives_no_memory(file_scenario, path), 8);
    check_holds(path, "new");
}
END_TEST

TCase *jem_core_file_case(void)
{
    TCase *file = tcase_create("file");
    tcase_add_checked_fixture(file, setup, teardown);
    tcase_add_test(file, files_are_read_at_any_place);
    tcase_add_test(file, files_are_slurped);
    tcase_add_test(file, what_is_no_file_is_refused);
    tcase_add_test(file, long_paths_leave_room_for_the_reason);
    tcase_add_test(file, shrinking_files_are_noticed);
    tcase_add_test(file, files_are_written_whole);
    tcase_add_test(file, new_files_obey_the_umask);
    tcase_add_test(file, the_old_file_stays_until_finish);
    tcase_add_test(file, other_temporaries_are_left_alone);
    tcase_add_test(file, relative_paths_work);
    tcase_add_test(file, bad_targets_are_refused);
    tcase_add_test(file, links_are_followed);
    tcase_add_test(file, what_is_no_file_is_written_to);
    tcase_add_test(file, descriptors_are_appended_to);
    tcase_add_test(file, a_file_keeps_its_mode);
    tcase_add_test(file, leftovers_go);
    tcase_add_test(file, a_folder_made_in_the_meantime_stays);
    tcase_add_test(file, a_read_only_folder_keeps_its_file);
    tcase_add_loop_test(file, a_full_disk_keeps_the_old_file, 0, 3);
    tcase_add_test(file, finish_reports_what_failed);
    tcase_add_test(file, no_memory_at_any_call_leaves_no_file);
    return file;
}
