/* Preloaded into a user-mode-linux kernel: ptrace() of the processors' extended state for a kernel
 * whose buffer is smaller than the machine's state.
 *
 * These kernels read and write a guest process's extended state (NT_X86_XSTATE) through a buffer of
 * fixed size. Linux accepts a write of the whole state only, so on a processor with AMX, whose state
 * takes 11 KB, the first write fails with EFAULT and the guest dies. Here a read gives the part that
 * fits, and a write leaves the rest as it is: AMX, which no process of the guest uses.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

/* More than any processor's state. */
#define WHOLE 65536

typedef long (*ptrace_function)(int request, pid_t pid, void *address, void *data);

static long with_whole_state(ptrace_function next, int request, pid_t pid, void *kind,
                             struct iovec *part)
{
    static char state[WHOLE];
    struct iovec whole = {state, sizeof state};
    long result = next(PTRACE_GETREGSET, pid, kind, &whole);
    size_t size = part->iov_len < whole.iov_len ? part->iov_len : whole.iov_len;

    if (result < 0)
        return result;
    if (request == PTRACE_GETREGSET) {
        memcpy(part->iov_base, state, size);
        part->iov_len = size;
        return result;
    }
    memcpy(state, part->iov_base, size);
    return next(PTRACE_SETREGSET, pid, kind, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
    static ptrace_function next;
    va_list arguments;

    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    if (!next)
        next = (ptrace_function)dlsym(RTLD_NEXT, "ptrace");
    if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) &&
        (unsigned long)address == NT_X86_XSTATE)
        return with_whole_state(next, request, pid, address, data);
    return next(request, pid, address, data);
}
