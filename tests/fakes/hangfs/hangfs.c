/* See README.md. Only what asks by path is held up: what is open already answers, as from a cache. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int switched_on(void)
{
    const char *path = getenv("HANGFS_SWITCH");
    return path && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

static void wait_for(const char *path)
{
    const char *root = getenv("HANGFS_PATH");
    struct timespec moment = {0, 10 * 1000 * 1000};
    if (!root || !path || strncmp(path, root, strlen(root)) != 0)
        return;
    while (switched_on())
        nanosleep(&moment, NULL);
}

/* The next definition of a function: the C library's own. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define HOLD(result, name, parameters, path, arguments) \
    result name parameters                              \
    {                                                   \
        wait_for(path);                                 \
        return NEXT(name) arguments;                    \
    }

HOLD(DIR *, opendir, (const char *path), path, (path))
HOLD(int, statvfs, (const char *path, struct statvfs *found), path, (path, found))
HOLD(int, statvfs64, (const char *path, struct statvfs64 *found), path, (path, found))
HOLD(int, stat, (const char *path, struct stat *found), path, (path, found))
HOLD(int, stat64, (const char *path, struct stat64 *found), path, (path, found))
HOLD(int, lstat, (const char *path, struct stat *found), path, (path, found))
HOLD(int, lstat64, (const char *path, struct stat64 *found), path, (path, found))
HOLD(int, fstatat, (int at, const char *path, struct stat *found, int flags), path, (at, path, found, flags))
HOLD(int, fstatat64, (int at, const char *path, struct stat64 *found, int flags), path, (at, path, found, flags))

#define HOLD_OPEN(name)                                                             \
    int name(const char *path, int flags, ...)                                      \
    {                                                                               \
        int makes_one = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;      \
        va_list rest;                                                               \
        va_start(rest, flags);                                                      \
        mode_t mode = makes_one ? va_arg(rest, mode_t) : 0;                         \
        va_end(rest);                                                               \
        wait_for(path);                                                             \
        return NEXT(name)(path, flags, mode);                                       \
    }

HOLD_OPEN(open)
HOLD_OPEN(open64)
