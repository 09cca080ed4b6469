/* Lets the disk fail under a program that was not asked: while the file that CERTPRESS_TEST_FAULT names holds `full`, what is
 * written to files meets ENOSPC; while it holds `sync`, what is to reach the disk meets EIO. Sockets and pipes are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <fcntl.h>
#include <unistd.h>

static int meets(char fault, int fd) {
    static const char *place;
    if (!place) place = getenv("CERTPRESS_TEST_FAULT");
    struct stat about;
    if (!place || fstat(fd, &about) || !S_ISREG(about.st_mode)) return 0;
    char now = 0;
    int file = syscall(SYS_openat, AT_FDCWD, place, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    if (syscall(SYS_read, file, &now, 1) != 1) now = 0;
    syscall(SYS_close, file);
    if (now != fault) return 0;
    errno = fault == 'f' ? ENOSPC : EIO;
    return 1;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name)) dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t size) { NEXT(write); return meets('f', fd) ? -1 : next(fd, from, size); }
ssize_t writev(int fd, const struct iovec *from, int count) { NEXT(writev); return meets('f', fd) ? -1 : next(fd, from, count); }
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) { NEXT(pwrite); return meets('f', fd) ? -1 : next(fd, from, size, at); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) { NEXT(pwrite64); return meets('f', fd) ? -1 : next(fd, from, size, at); }
int fsync(int fd) { NEXT(fsync); return meets('s', fd) ? -1 : next(fd); }
int fdatasync(int fd) { NEXT(fdatasync); return meets('s', fd) ? -1 : next(fd); }
