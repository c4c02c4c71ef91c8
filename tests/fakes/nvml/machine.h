/* The machine that the script describes, and how a call looks at it (README.md). */
#ifndef FAKE_NVML_MACHINE_H
#define FAKE_NVML_MACHINE_H

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    FUNCTION_NOT_FOUND = 13,
    GPU_IS_LOST = 15,
    OPERATING_SYSTEM = 17,
    UNKNOWN = 999,
    HANGS = -1, /* never returned: the call blocks until the script says otherwise */
};

enum { MAX_GPUS = 16, MAX_PROCESSES = 64, MAX_FIELDS = 32, MAX_MIGS = 8, MAX_EVENTS = 64, MAX_LACKS = 16, TEXT = 96 };

enum { NONE = -1 };

/* The facts of a GPU that are one number. One that the script does not give is NONE: its call answers NOT_SUPPORTED. */
#define NUMBERS(EACH) \
    EACH(utilization) EACH(memory_utilization) EACH(encoder) EACH(decoder) \
    EACH(memory_used) EACH(memory_reserved) EACH(memory_total) EACH(temperature) \
    EACH(power) EACH(power_limit) EACH(energy) EACH(clock_sm) EACH(clock_memory) EACH(performance_state) \
    EACH(throttle) EACH(throttle_supported) EACH(fan) EACH(pcie_transmit) EACH(pcie_receive) EACH(events)

typedef struct {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
} Process;

typedef struct {
    unsigned id;
    unsigned long long value;
} Field;

typedef struct {
    char uuid[TEXT], profile[TEXT];
    unsigned long long memory_used, memory_total;
} Mig;

typedef struct {
    int mode;
    char uuid[TEXT], name[TEXT], pci[TEXT];
#define AS_MEMBER(name) long long name;
    NUMBERS(AS_MEMBER)
#undef AS_MEMBER
    int processes_known, mig_known;
    unsigned processes, fields, migs;
    Process process[MAX_PROCESSES];
    Field field[MAX_FIELDS];
    Mig mig[MAX_MIGS];
} Gpu;

typedef struct {
    unsigned gpu;
    unsigned long long xid;
} Event;

typedef struct {
    int mode;
    char version[TEXT];
    long delay; /* microseconds */
    unsigned lacks, events, gpus;
    char lack[MAX_LACKS][TEXT];
    Event event[MAX_EVENTS];
    Gpu gpu[MAX_GPUS];
} Machine;

/* The machine as it is now; only between `enter` and `leave`. */
extern Machine machine;

/* What a call finds when it comes in: its answer so far, and what its handle means. */
typedef struct {
    int answer;
    const Gpu *gpu; /* NULL where the call names none */
    const Mig *mig; /* NULL where the handle is a whole GPU's */
} Visit;

Visit enter(const char *call, const void *handle);
void leave(const Visit *visit);
void wait_for_the_others(void);
void open_driver(int by);
int is_open(void);

/* Begins a call: `visit` is what it finds, until the function returns. A handle of NULL names no GPU. */
#define VISIT(handle) \
    __attribute__((cleanup(leave))) Visit visit = enter(__func__, handle); \
    if (visit.answer != SUCCESS) return visit.answer

/* Handles: a GPU is its index plus one, a MIG device stands above it. */
#define GPU_HANDLE(index) ((void *)((size_t)(index) + 1))
#define MIG_HANDLE(gpu_handle, index) ((void *)((size_t)(gpu_handle) + ((size_t)(index) + 1) * 256))

int give_text(const char *text, char *out, unsigned length);

#endif
