/*
 * Faults at the border between the process and the disk, for `polder-soak faults`. Loaded before the C library
 * (LD_PRELOAD), it counts the calls that change what is on the disk and, at a chosen one, kills the process, takes the
 * power away (everything not flushed is undone first), or fails this call and every later one.
 *
 * A control page (FAULTS_CONTROL, shared with the harness, eight-byte words) says what to do; FAULTS_TRACE gets one line
 * for each counted call. Owns no policy: which calls exist, and what must hold after each, is the harness's to know.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OFF = 0, COUNT = 1, KILL = 2, POWER = 3, FAIL = 4 };
enum { FLUSH = 1, DATA = 2, NAME = 4 };
enum { WAREHOUSE = 1, DATABASE = 2 };

struct control {
    volatile uint64_t mode, kinds, places, target, error, span; /* the harness writes these */
    volatile uint64_t calls, fired;                             /* and reads these */
    volatile uint64_t remember, deaf;                           /* undo log on; flushes are not believed */
};

static struct control *control;
static int trace = -1;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static __thread int inside;

#define REAL(name, result, ...)                                                                                            \
    static result (*real)(__VA_ARGS__);                                                                                    \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void)
{
    const char *page = getenv("FAULTS_CONTROL"), *lines = getenv("FAULTS_TRACE");
    inside = 1;
    if (lines) trace = syscall(SYS_openat, AT_FDCWD, lines, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int fd = page ? syscall(SYS_openat, AT_FDCWD, page, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) control = at;
        syscall(SYS_close, fd);
    }
    inside = 0;
}

/* What was done and is not flushed yet, newest first. */
struct undo {
    struct undo *next;
    int kind; /* DATA: bytes of a file; NAME: a name in a directory */
    dev_t device;
    ino_t inode; /* of the file, or of the directory */
    int fd;      /* DATA: a descriptor of our own */
    off_t offset, size;
    size_t length;
    char *bytes;
    char path[PATH_MAX];
};
static struct undo *undos;

static void forget(dev_t device, ino_t inode, int kind)
{
    for (struct undo **at = &undos; *at;) {
        struct undo *u = *at;
        if (u->kind == kind && u->device == device && u->inode == inode) {
            *at = u->next;
            if (u->fd >= 0) syscall(SYS_close, u->fd);
            free(u->bytes);
            free(u);
        } else {
            at = &u->next;
        }
    }
}

/* The power is gone: what was never flushed is not there. */
static void lose_power(void)
{
    for (struct undo *u = undos; u; u = u->next) {
        if (u->kind == NAME) {
            if (syscall(SYS_unlinkat, AT_FDCWD, u->path, 0) != 0) syscall(SYS_unlinkat, AT_FDCWD, u->path, AT_REMOVEDIR);
            continue;
        }
        if (u->length) syscall(SYS_pwrite64, u->fd, u->bytes, u->length, u->offset);
        syscall(SYS_ftruncate, u->fd, u->size);
    }
}

static int place_of(const char *path)
{
    if (strstr(path, "/warehouses/")) return WAREHOUSE;
    const char *name = strrchr(path, '/');
    if (name && strcmp(name, "/data") == 0) return DATABASE; /* the database's directory */
    return name && strncmp(name, "/polder.db", 10) == 0 && !strstr(name, "-shm") && !strstr(name, ".lock") ? DATABASE : 0;
}

static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return place_of(path);
}

/* An undo log entry for the bytes that a write at `offset` covers; -1 stands for the end of the file's offset. */
static void remember_data(int fd, off_t offset, size_t length)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) return;
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR);
    struct undo *u = calloc(1, sizeof *u);
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    *u = (struct undo){.next = undos, .kind = DATA, .device = facts.st_dev, .inode = facts.st_ino, .offset = offset};
    u->size = facts.st_size;
    u->fd = syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
    if (offset < facts.st_size) {
        size_t old = (size_t)(facts.st_size - offset) < length ? (size_t)(facts.st_size - offset) : length;
        u->bytes = malloc(old ? old : 1);
        ssize_t got = syscall(SYS_pread64, u->fd, u->bytes, old, offset);
        u->length = got > 0 ? (size_t)got : 0;
    }
    undos = u;
}

static void remember_name(const char *path)
{
    struct stat facts;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash) return;
    *slash = 0;
    if (stat(folder, &facts) != 0) return;
    struct undo *u = calloc(1, sizeof *u);
    *u = (struct undo){.next = undos, .kind = NAME, .device = facts.st_dev, .inode = facts.st_ino, .fd = -1};
    snprintf(u->path, sizeof u->path, "%s", path);
    undos = u;
}

/* Counts a call. True if it must fail with errno set. Does not return if it is the one to die at. */
static int meets(int kind, int place, const char *call, const char *path)
{
    if (!control || control->mode == OFF || !(control->kinds & kind) || !(control->places & place)) return 0;
    uint64_t n = ++control->calls;
    if (trace >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%llu %s %s\n", (unsigned long long)n, call, path);
        syscall(SYS_write, trace, line, length);
    }
    if (control->mode == COUNT || n < control->target || n >= control->target + control->span) return 0;
    control->fired++;
    if (control->mode == POWER) lose_power();
    if (control->mode != FAIL) {
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = (int)control->error;
    return 1;
}

#define ENTER                                                                                                              \
    int outer = inside++;                                                                                                  \
    int watched = !outer && control != NULL;                                                                               \
    if (watched) pthread_mutex_lock(&lock)
#define LEAVE                                                                                                              \
    if (watched) {                                                                                                         \
        int kept = errno;                                                                                                  \
        pthread_mutex_unlock(&lock);                                                                                       \
        errno = kept;                                                                                                      \
    }                                                                                                                      \
    inside--

static int flush(int fd, const char *name, int (*call)(int))
{
    char path[PATH_MAX];
    int result = -1;
    ENTER;
    int place = watched ? path_of(fd, path) : 0;
    if (!place || !meets(FLUSH, place, name, path)) {
        result = call(fd);
        struct stat facts;
        if (place && control->remember && !control->deaf && result == 0 && fstat(fd, &facts) == 0)
            forget(facts.st_dev, facts.st_ino, S_ISDIR(facts.st_mode) ? NAME : DATA);
    }
    LEAVE;
    return result;
}

int fsync(int fd)
{
    REAL("fsync", int, int);
    return flush(fd, "fsync", real);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int, int);
    return flush(fd, "fdatasync", real);
}

#define WRITES(name, offset, length, real_call)                                                                            \
    char path[PATH_MAX];                                                                                                   \
    ssize_t result = -1;                                                                                                   \
    ENTER;                                                                                                                 \
    int place = watched ? path_of(fd, path) : 0;                                                                           \
    if (!place || !meets(DATA, place, name, path)) {                                                                       \
        if (place && control->remember) remember_data(fd, offset, length);                                                 \
        result = real_call;                                                                                                \
    }                                                                                                                      \
    LEAVE;                                                                                                                 \
    return result

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL("write", ssize_t, int, const void *, size_t);
    WRITES("write", -1, length, real(fd, bytes, length));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    REAL("pwrite", ssize_t, int, const void *, size_t, off_t);
    WRITES("pwrite", offset, length, real(fd, bytes, length, offset));
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset)
{
    REAL("pwrite64", ssize_t, int, const void *, size_t, off_t);
    WRITES("pwrite", offset, length, real(fd, bytes, length, offset));
}

static int truncated(int fd, off_t size, int (*real)(int, off_t))
{
    char path[PATH_MAX];
    int result = -1;
    ENTER;
    int place = watched ? path_of(fd, path) : 0;
    if (!place || !meets(DATA, place, "ftruncate", path)) {
        if (place && control->remember) remember_data(fd, size, SIZE_MAX);
        result = real(fd, size);
    }
    LEAVE;
    return result;
}

int ftruncate(int fd, off_t size)
{
    REAL("ftruncate", int, int, off_t);
    return truncated(fd, size, real);
}

int ftruncate64(int fd, off_t size)
{
    REAL("ftruncate64", int, int, off_t);
    return truncated(fd, size, real);
}

/* A new name: a link, a directory, or a file that an open makes. */
#define NAMES(name, path, real_call)                                                                                       \
    int result = -1;                                                                                                       \
    ENTER;                                                                                                                 \
    int place = watched ? place_of(path) : 0;                                                                              \
    if (!place || !meets(NAME, place, name, path)) {                                                                       \
        int fresh = place && control->remember && access(path, F_OK) != 0;                                                 \
        result = real_call;                                                                                                \
        if (fresh && result >= 0) remember_name(path);                                                                     \
    }                                                                                                                      \
    LEAVE;                                                                                                                 \
    return result

int link(const char *from, const char *to)
{
    REAL("link", int, const char *, const char *);
    NAMES("link", to, real(from, to));
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    REAL("linkat", int, int, const char *, int, const char *, int);
    NAMES("link", to, real(from_dir, from, to_dir, to, flags));
}

int mkdir(const char *path, mode_t mode)
{
    REAL("mkdir", int, const char *, mode_t);
    NAMES("mkdir", path, real(path, mode));
}

#define OPENS(path, flags, real_call)                                                                                      \
    va_list rest;                                                                                                          \
    va_start(rest, flags);                                                                                                 \
    mode_t mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                            \
    va_end(rest);                                                                                                          \
    if (!((flags) & O_CREAT) || inside || access(path, F_OK) == 0) return real_call;                                       \
    NAMES("create", path, real_call)

int open(const char *path, int flags, ...)
{
    REAL("open", int, const char *, int, ...);
    OPENS(path, flags, real(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    REAL("open64", int, const char *, int, ...);
    OPENS(path, flags, real(path, flags, mode));
}

int openat(int dir, const char *path, int flags, ...)
{
    REAL("openat", int, int, const char *, int, ...);
    OPENS(path, flags, real(dir, path, flags, mode));
}

int openat64(int dir, const char *path, int flags, ...)
{
    REAL("openat64", int, int, const char *, int, ...);
    OPENS(path, flags, real(dir, path, flags, mode));
}
