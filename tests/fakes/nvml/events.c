/* XID errors: a set of events waits for what the script adds after the set was made. */
#include "machine.h"

#include <stdlib.h>
#include <unistd.h>

enum { XID = 8 };
static const useconds_t LOOK_AGAIN = 100000; /* rarely: what waits here costs the process that is measured */

typedef struct {
    unsigned seen; /* of the script's events */
    unsigned watched; /* one bit a GPU */
} Set;

typedef struct {
    void *device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
} EventData;

int nvmlEventSetCreate(Set **set) {
    VISIT(NULL);
    if (!is_open()) return UNINITIALIZED;
    *set = calloc(1, sizeof **set);
    (*set)->seen = machine.events;
    return SUCCESS;
}

int nvmlEventSetFree(Set *set) {
    free(set);
    return SUCCESS;
}

int nvmlDeviceRegisterEvents(void *handle, unsigned long long types, Set *set) {
    VISIT(handle);
    if (visit.gpu->events == NONE) return NOT_SUPPORTED;
    if (types != XID) return INVALID_ARGUMENT;
    set->watched |= 1U << (visit.gpu - machine.gpu);
    return SUCCESS;
}

static int take(Set *set, EventData *data) {
    VISIT(NULL);
    if (set->seen > machine.events) set->seen = machine.events; /* the driver was loaded anew */
    while (set->seen < machine.events) {
        Event event = machine.event[set->seen++];
        if (!(set->watched & 1U << event.gpu)) continue;
        *data = (EventData){GPU_HANDLE(event.gpu), XID, event.xid, ~0U, ~0U};
        return SUCCESS;
    }
    return TIMEOUT;
}

int nvmlEventSetWait_v2(Set *set, EventData *data, unsigned milliseconds) {
    int answer = take(set, data);
    for (long left = milliseconds * 1000L; answer == TIMEOUT && left > 0; left -= LOOK_AGAIN) {
        usleep(LOOK_AGAIN);
        answer = take(set, data);
    }
    return answer;
}
