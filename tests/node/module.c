/* A PKCS#11 module in front of the one that CERTPRESS_TEST_MODULE names. While the file that CERTPRESS_TEST_FAULT names is
 * there, it does not come to sign. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* CK_FUNCTION_LIST of PKCS #11 2.40: a version, then the functions in the standard's order. */
struct functions { unsigned char version[2]; void *each[68]; };
enum { SIGN = 43, GENERAL_ERROR = 5 };

typedef unsigned long get_list(struct functions **);
typedef unsigned long sign(unsigned long, unsigned char *, unsigned long, unsigned char *, unsigned long *);

static struct functions ours;
static sign *theirs;

static unsigned long slowly(unsigned long session, unsigned char *data, unsigned long size, unsigned char *to, unsigned long *room) {
    const char *place = getenv("CERTPRESS_TEST_FAULT");
    while (place && access(place, F_OK) == 0) usleep(20000);
    return theirs(session, data, size, to, room);
}

unsigned long C_GetFunctionList(struct functions **list) {
    void *library = dlopen(getenv("CERTPRESS_TEST_MODULE"), RTLD_NOW);
    get_list *get = library ? (get_list *) dlsym(library, "C_GetFunctionList") : 0;
    struct functions *real;
    if (!get || get(&real)) return GENERAL_ERROR;
    ours = *real;
    theirs = (sign *) real->each[SIGN];
    ours.each[SIGN] = (void *) slowly;
    *list = &ours;
    return 0;
}
