# SPDX-License-Identifier: MIT
"""Every function of other libraries that libjem or a program calls: can it fail for want of memory, or at a
file, or neither? unknown() names those that stand in no list here; none may be left."""

import subprocess

# Calls of these are counted one by one (sites.py), each has to fail once.
MEMORY = """
    aligned_alloc calloc fopencookie malloc newlocale realloc strdup strndup
    inflate inflateInit
    jpeg_create_decompress jpeg_read_header jpeg_start_decompress
    json_array json_copy json_deep_copy json_dumps json_integer json_loadb json_object json_object_update
    json_pack json_real json_string json_stringn
    LAPACKE_dgesdd LAPACKE_dsyevd
    png_create_info_struct png_create_read_struct_2 png_read_info png_read_row png_read_update_info
    zip_fopen_index zip_open_from_source zip_source_buffer_create""".split()
FILES = """
    access dup2 fchmod fchown fclose fcntl fdopen fflush fgets flock fopen fprintf fputc fputs fread
    fseeko fstat fsync ftello ftruncate fwrite getcwd getrandom lstat mkdir open openat opendir pread printf
    putc putchar puts read readdir readlink rename stat unlinkat vfprintf write
    MD5File gzopen gzread json_dumpf png_image_write_to_stdio""".split()
OURS = "jem__alloc jem__alloc_raw jem__strdup".split()  # in libjem malloc() is called there alone
THREADS = ["pthread_create"]

# What nm calls otherwise.
SYMBOLS = {"inflateInit": "inflateInit_", "jpeg_create_decompress": "jpeg_CreateDecompress"}

# inject.so need not stand before these: they call what it does stand before.
BEHIND = "fopencookie strdup strndup".split()
BEHIND_PREFIXES = ("gz", "inflate", "jpeg_", "json_", "LAPACKE_", "png_", "zip_", "MD5")

# No memory and no file, or no consequence.
NEITHER = {
    "strings and numbers": """
        __ctype_toupper_loc memchr memcmp memcpy memmove memset strcasecmp strchr strcmp strcspn strlen
        strncasecmp strncmp strpbrk strrchr strspn strstr strtok_r strtod strtod_l strtol strtoll strtoul
        snprintf sprintf vsnprintf strftime gmtime_r getopt_long getenv strerror __xpg_strerror_r qsort
        optarg opterr optind optopt environ""",
    "mathematics": """
        ceil cos exp expm1 fegetenv fesetenv floor fmax fmaxf fmin fminf ldexp llround log log10 log1p lrintf
        lround pow round sincos sqrt sqrtf bli_info_get_version_str""",
    "the process, its threads and the clock": """
        exit getpid kill nanosleep sched_getaffinity __sched_cpucount sysconf getrusage time clock_gettime
        _setjmp longjmp __errno_location __tls_get_addr pthread_cond_broadcast pthread_cond_destroy
        pthread_cond_init pthread_cond_signal pthread_cond_wait pthread_join pthread_mutex_destroy
        pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock pthread_sigmask sigaction sigaddset
        sigemptyset sigfillset sigismember sigpending sigtimedwait waitpid omp_set_num_threads
        posix_spawnp posix_spawn_file_actions_adddup2 posix_spawn_file_actions_addopen
        posix_spawn_file_actions_destroy posix_spawn_file_actions_init""",
    "of streams and folders what asks or forgets; a terminal": """
        __fpurge clearerr dirfd ferror fileno ioctl isatty stderr stdout""",
    "the end of something, after which there is nothing to do": """
        close closedir free freelocale remove unlink gzclose_r inflateEnd jpeg_destroy_decompress
        jpeg_finish_decompress json_delete json_object_clear png_destroy_read_struct png_read_end zip_discard
        zip_error_fini zip_fclose zip_source_free dnnl_engine_destroy dnnl_memory_destroy
        dnnl_post_ops_destroy dnnl_primitive_attr_destroy dnnl_primitive_desc_destroy dnnl_primitive_destroy
        dnnl_stream_destroy""",
    "of other libraries what works on memory that is there": """
        MD5Data SHA256End SHA256Init SHA256Update gzbuffer gzerror jpeg_mem_src jpeg_read_scanlines jpeg_std_error
        dl_iterate_phdr json_array_clear json_array_get json_array_size json_equal json_false json_integer_value json_null json_number_value
        json_object_get json_object_iter json_object_iter_key json_object_iter_next json_object_iter_value
        json_object_key_to_iter json_set_alloc_funcs json_string_value json_true
        png_error png_get_channels png_get_error_ptr png_get_image_height png_get_image_width png_get_io_ptr
        png_get_mem_ptr png_get_rowbytes png_longjmp png_set_chunk_malloc_max png_set_crc_action
        png_set_expand png_set_interlace_handling png_set_keep_unknown_chunks png_set_longjmp_fn
        png_set_read_fn png_set_strip_16 png_set_user_limits
        zip_error_code_system zip_error_code_zip zip_error_init zip_error_strerror zip_file_get_error zip_fread zip_get_error
        zip_get_num_entries zip_stat_index zip_strerror""",
    "ends the process itself where it gets no memory (inject.c)": """
        bli_sgemm_ex cblas_dgemm cblas_dsyrk dnnl_concat_primitive_desc_create
        dnnl_convolution_forward_desc_init dnnl_engine_create dnnl_memory_create dnnl_memory_desc_get_size
        dnnl_memory_desc_init_by_tag dnnl_memory_get_data_handle dnnl_pooling_forward_desc_init
        dnnl_post_ops_append_eltwise dnnl_post_ops_create dnnl_primitive_attr_create
        dnnl_primitive_attr_set_post_ops dnnl_primitive_create dnnl_primitive_desc_create
        dnnl_primitive_desc_query_md dnnl_primitive_execute dnnl_reorder_primitive_desc_create
        dnnl_stream_create dnnl_stream_wait""",
    "adds to an object one of whose parts is made on the same line": "json_array_append_new json_object_set_new",
    "of the linker": """
        _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable __cxa_finalize __gmon_start__
        __libc_start_main __stack_chk_fail""",
}


def symbols(path, which):
    text = subprocess.run(["nm", "-D", which, str(path)], capture_output=True, check=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines()}


def unknown(build):
    """Functions that are called and in no list, or whose failures inject.so does not make."""
    fails = {SYMBOLS.get(name, name) for name in MEMORY + FILES + THREADS}
    known = fails | {word for words in NEITHER.values() for word in words.split()}
    made = symbols(build / "tests/inject.so", "--defined-only")
    wrong = [f"functions.py: {name} fails, and inject.so does not let it fail" for name in sorted(fails)
             if name not in made and name not in BEHIND and not name.startswith(BEHIND_PREFIXES)]
    for path in [build / "libjem.so", *sorted((build / "bin").iterdir())]:
        wrong += [f"functions.py does not know {name} of {path.name}" for name in
                  sorted(symbols(path, "--undefined-only") - known) if not name.startswith("jem_")]
    return wrong
