/* A small libnvidia-ml.so.1 for tests: a driver that says what a script file tells it to say.
 *
 * The script is read anew in every call, so a test changes the machine by replacing the file (README.md).
 * Only what the product calls is here; a symbol that is missing is what an old driver looks like to pynvml.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
    OPERATING_SYSTEM = 17,
    UNKNOWN = 999,
    HANGS = -1, /* never returned: the call blocks until the script says otherwise */
};

enum { MAX_GPUS = 16, MAX_PROCESSES = 64, TEXT = 96 };

static const unsigned long long NOT_AVAILABLE = ~0ULL;

typedef struct {
    unsigned pid;
    unsigned long long memory;
    unsigned gpu_instance, compute_instance;
} Process;

/* A fact that the script does not give is NONE (or empty text), and its call answers NOT_SUPPORTED. */
typedef struct {
    int mode;
    char uuid[TEXT], name[TEXT];
    long long utilization, memory_used, memory_reserved, memory_total, temperature, power;
    int processes_known;
    unsigned processes;
    Process process[MAX_PROCESSES];
} Gpu;

enum { NONE = -1 };

typedef struct {
    int mode;
    char version[TEXT];
    long delay;
    unsigned gpus;
    Gpu gpu[MAX_GPUS];
} Machine;

static int initialised;

/* --- reading the script --------------------------------------------------------------------------------- */

static int mode_of(const char *word) {
    static const struct {
        const char *word;
        int mode;
    } modes[] = {{"ok", SUCCESS},          {"hang", HANGS},
                 {"lost", GPU_IS_LOST},    {"not_loaded", DRIVER_NOT_LOADED},
                 {"unknown", UNKNOWN},     {"blocked", OPERATING_SYSTEM}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(word, modes[i].word)) return modes[i].mode;
    fprintf(stderr, "fake nvml: unknown mode '%s' in the script\n", word);
    abort();
}

static void read_process(Gpu *gpu, const char *value) {
    gpu->processes_known = 1;
    if (!*value || gpu->processes == MAX_PROCESSES) return; /* "process" alone: the driver knows of none */
    Process *process = &gpu->process[gpu->processes++];
    unsigned long long memory;
    int fields = sscanf(value, "%u %llu", &process->pid, &memory);
    process->memory = fields == 2 ? memory : NOT_AVAILABLE;
    process->gpu_instance = process->compute_instance = ~0U;
}

static void read_gpu_fact(Gpu *gpu, const char *key, const char *value) {
    if (!strcmp(key, "mode")) gpu->mode = mode_of(value);
    else if (!strcmp(key, "uuid")) snprintf(gpu->uuid, TEXT, "%s", value);
    else if (!strcmp(key, "name")) snprintf(gpu->name, TEXT, "%s", value);
    else if (!strcmp(key, "utilization")) gpu->utilization = atoll(value);
    else if (!strcmp(key, "memory_used")) gpu->memory_used = atoll(value);
    else if (!strcmp(key, "memory_reserved")) gpu->memory_reserved = atoll(value);
    else if (!strcmp(key, "memory_total")) gpu->memory_total = atoll(value);
    else if (!strcmp(key, "temperature")) gpu->temperature = atoll(value);
    else if (!strcmp(key, "power")) gpu->power = atoll(value);
    else if (!strcmp(key, "process")) read_process(gpu, value);
}

static Gpu *gpu_of(Machine *machine, unsigned index) {
    for (; machine->gpus <= index; machine->gpus++) {
        Gpu *gpu = &machine->gpu[machine->gpus];
        memset(gpu, 0, sizeof *gpu);
        gpu->utilization = gpu->memory_used = gpu->memory_total = gpu->temperature = gpu->power = NONE;
    }
    return &machine->gpu[index];
}

static void read_line(Machine *machine, char *line) {
    char key[TEXT], value[TEXT] = "";
    unsigned index;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "gpu %u %95s %95[^\n]", &index, key, value) >= 2 && index < MAX_GPUS)
        read_gpu_fact(gpu_of(machine, index), key, value);
    else if (sscanf(line, "driver mode %95s", value) == 1) machine->mode = mode_of(value);
    else if (sscanf(line, "driver version %95s", value) == 1) strcpy(machine->version, value);
    else if (sscanf(line, "driver delay_us %95s", value) == 1) machine->delay = atol(value);
}

static void read_script(Machine *machine) {
    const char *path = getenv("FAKE_NVML_SCRIPT");
    FILE *script = path ? fopen(path, "re") : NULL;
    char line[3 * TEXT];
    machine->mode = script ? SUCCESS : DRIVER_NOT_LOADED;
    machine->version[0] = 0;
    machine->delay = 0;
    machine->gpus = 0;
    if (!script) return;
    while (fgets(line, sizeof line, script)) read_line(machine, line);
    fclose(script);
}

/* --- answering ------------------------------------------------------------------------------------------ */

/* The driver as the script has it now, and what a call that names no GPU answers. */
static int look(Machine *machine) {
    read_script(machine);
    if (machine->delay) usleep(machine->delay);
    while (machine->mode == HANGS) {
        usleep(20000);
        read_script(machine);
    }
    return machine->mode;
}

/* The GPU behind a handle (its index plus one) or an index, and what a call about it answers. */
static int look_at(const void *handle, Machine *machine, Gpu **gpu) {
    size_t number = (size_t)handle;
    for (;;) {
        int answer = look(machine);
        if (answer != SUCCESS) return answer;
        if (!initialised) return UNINITIALIZED;
        if (number < 1 || number > machine->gpus) return INVALID_ARGUMENT;
        *gpu = &machine->gpu[number - 1];
        if ((*gpu)->mode != HANGS) return (*gpu)->mode;
        usleep(20000);
    }
}

static int give_number(const void *handle, long long (*fact)(const Gpu *), unsigned *out) {
    Machine machine;
    Gpu *gpu;
    int answer = look_at(handle, &machine, &gpu);
    if (answer != SUCCESS) return answer;
    if (fact(gpu) == NONE) return NOT_SUPPORTED;
    *out = (unsigned)fact(gpu);
    return SUCCESS;
}

static int give_text(const char *text, char *out, unsigned length) {
    if (!*text) return NOT_SUPPORTED;
    if (strlen(text) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

static long long temperature_of(const Gpu *gpu) { return gpu->temperature; }
static long long power_of(const Gpu *gpu) { return gpu->power; }
static long long utilization_of(const Gpu *gpu) { return gpu->utilization; }

/* --- what pynvml calls ---------------------------------------------------------------------------------- */

typedef struct {
    unsigned gpu, memory;
} Utilization;

typedef struct {
    unsigned long long total, free, used;
} Memory;

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} Memory2;

typedef struct {
    unsigned version;
    int sensor, celsius;
} Temperature;

int nvmlInitWithFlags(unsigned flags) {
    Machine machine;
    int answer = look(&machine);
    (void)flags;
    if (answer == SUCCESS) initialised++;
    return answer;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    if (!initialised) return UNINITIALIZED;
    initialised--;
    return SUCCESS;
}

const char *nvmlErrorString(int result) {
    switch (result) {
        case SUCCESS: return "Success";
        case UNINITIALIZED: return "Uninitialized";
        case INVALID_ARGUMENT: return "Invalid Argument";
        case NOT_SUPPORTED: return "Not Supported";
        case INSUFFICIENT_SIZE: return "Insufficient Size";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case GPU_IS_LOST: return "GPU is lost";
        case OPERATING_SYSTEM: return "GPU access blocked by the operating system";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    Machine machine;
    int answer = look(&machine);
    if (answer != SUCCESS) return answer;
    return initialised ? give_text(machine.version, version, length) : UNINITIALIZED;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    Machine machine;
    int answer = look(&machine);
    if (answer != SUCCESS) return answer;
    *count = machine.gpus;
    return initialised ? SUCCESS : UNINITIALIZED;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    Machine machine;
    Gpu *gpu;
    *handle = (void *)((size_t)index + 1);
    return look_at(*handle, &machine, &gpu);
}

int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    Machine machine;
    Gpu *gpu;
    int answer = look_at(handle, &machine, &gpu);
    return answer == SUCCESS ? give_text(gpu->name, name, length) : answer;
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
    Machine machine;
    Gpu *gpu;
    int answer = look_at(handle, &machine, &gpu);
    return answer == SUCCESS ? give_text(gpu->uuid, uuid, length) : answer;
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *rates) {
    rates->memory = 0;
    return give_number(handle, utilization_of, &rates->gpu);
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *memory) {
    Machine machine;
    Gpu *gpu;
    int answer = look_at(handle, &machine, &gpu);
    if (answer != SUCCESS) return answer;
    if (gpu->memory_total == NONE || gpu->memory_used == NONE) return NOT_SUPPORTED;
    memory->total = gpu->memory_total;
    memory->used = gpu->memory_used;
    memory->reserved = gpu->memory_reserved;
    memory->free = memory->total - memory->used - memory->reserved;
    return SUCCESS;
}

/* The older call counts what the driver keeps for itself as used. */
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    Memory2 whole;
    int answer = nvmlDeviceGetMemoryInfo_v2(handle, &whole);
    if (answer != SUCCESS) return answer;
    memory->total = whole.total;
    memory->free = whole.free;
    memory->used = whole.used + whole.reserved;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
    return sensor == 0 ? give_number(handle, temperature_of, celsius) : INVALID_ARGUMENT;
}

int nvmlDeviceGetTemperatureV(void *handle, Temperature *reading) {
    return nvmlDeviceGetTemperature(handle, reading->sensor, (unsigned *)&reading->celsius);
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) { return give_number(handle, power_of, milliwatts); }

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *processes) {
    Machine machine;
    Gpu *gpu;
    int answer = look_at(handle, &machine, &gpu);
    unsigned room = *count;
    if (answer != SUCCESS) return answer;
    if (!gpu->processes_known) return NOT_SUPPORTED;
    *count = gpu->processes;
    if (gpu->processes > room) return INSUFFICIENT_SIZE;
    if (gpu->processes) memcpy(processes, gpu->process, gpu->processes * sizeof *processes);
    return SUCCESS;
}
