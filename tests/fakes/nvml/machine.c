/* Reads the script, and lets each call wait as long as it says. */
#include "machine.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Machine machine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int opened, hanging;
static unsigned long calls;

static const unsigned long long NOT_AVAILABLE = ~0ULL;
static const useconds_t LOOK_AGAIN = 20000;
enum { SPIN_BELOW = 1000 }; /* microseconds: a sleep so short comes back several times too late */

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

static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
#define AS_ROW(name) {#name, offsetof(Gpu, name)},
    NUMBERS(AS_ROW)
#undef AS_ROW
};

static void read_process(Gpu *gpu, const char *value) {
    gpu->processes_known = 1;
    if (!*value || gpu->processes == MAX_PROCESSES) return; /* "process" alone: the driver knows of none */
    Process *process = &gpu->process[gpu->processes++];
    unsigned long long memory;
    int fields = sscanf(value, "%u %llu", &process->pid, &memory);
    process->memory = fields == 2 ? memory : NOT_AVAILABLE;
    process->gpu_instance = process->compute_instance = ~0U;
}

static void read_mig(Gpu *gpu, const char *value) {
    gpu->mig_known = 1;
    if (!*value || gpu->migs == MAX_MIGS) return; /* "mig" alone: the card could, and is whole */
    Mig *mig = &gpu->mig[gpu->migs++];
    sscanf(value, "%95s %95s %llu %llu", mig->uuid, mig->profile, &mig->memory_used, &mig->memory_total);
}

static void read_field(Gpu *gpu, const char *value) {
    if (gpu->fields == MAX_FIELDS) return;
    Field *field = &gpu->field[gpu->fields++];
    sscanf(value, "%u %llu", &field->id, &field->value);
}

static void read_gpu_fact(Gpu *gpu, const char *key, const char *value) {
    if (!strcmp(key, "mode")) gpu->mode = mode_of(value);
    else if (!strcmp(key, "uuid")) snprintf(gpu->uuid, TEXT, "%s", value);
    else if (!strcmp(key, "name")) snprintf(gpu->name, TEXT, "%s", value);
    else if (!strcmp(key, "pci")) snprintf(gpu->pci, TEXT, "%s", value);
    else if (!strcmp(key, "process")) read_process(gpu, value);
    else if (!strcmp(key, "field")) read_field(gpu, value);
    else if (!strcmp(key, "mig")) read_mig(gpu, value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(key, numbers[i].key)) *(long long *)((char *)gpu + numbers[i].offset) = atoll(value);
}

static Gpu *gpu_of(unsigned index) {
    for (; machine.gpus <= index; machine.gpus++) {
        Gpu *gpu = &machine.gpu[machine.gpus];
        memset(gpu, 0, sizeof *gpu);
#define AS_NONE(name) gpu->name = NONE;
        NUMBERS(AS_NONE)
#undef AS_NONE
        gpu->memory_reserved = 0;
    }
    return &machine.gpu[index];
}

static void read_driver_fact(const char *key, const char *value) {
    if (!strcmp(key, "mode")) machine.mode = mode_of(value);
    else if (!strcmp(key, "version")) snprintf(machine.version, TEXT, "%s", value);
    else if (!strcmp(key, "delay_us")) machine.delay = atol(value);
    else if (!strcmp(key, "lacks") && machine.lacks < MAX_LACKS)
        snprintf(machine.lack[machine.lacks++], TEXT, "%s", value);
    else if (!strcmp(key, "event") && machine.events < MAX_EVENTS) {
        Event *event = &machine.event[machine.events++];
        sscanf(value, "%u %llu", &event->gpu, &event->xid);
    }
}

static void read_line(char *line) {
    char key[TEXT], value[TEXT] = "";
    unsigned index;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "gpu %u %95s %95[^\n]", &index, key, value) >= 2 && index < MAX_GPUS)
        read_gpu_fact(gpu_of(index), key, value);
    else if (sscanf(line, "driver %95s %95[^\n]", key, value) == 2) read_driver_fact(key, value);
}

static void read_script(FILE *script) {
    char line[4 * TEXT];
    machine.mode = script ? SUCCESS : DRIVER_NOT_LOADED;
    machine.version[0] = 0;
    machine.delay = machine.lacks = machine.events = machine.gpus = 0;
    if (!script) return;
    while (fgets(line, sizeof line, script)) read_line(line);
    fclose(script);
}

/* One stat tells whether the script was replaced since it was read. */
static void refresh(void) {
    static struct stat seen;
    static int was_read;
    const char *path = getenv("FAKE_NVML_SCRIPT");
    struct stat now;
    if (!path || stat(path, &now)) memset(&now, 0, sizeof now);
    if (was_read && now.st_ino == seen.st_ino && now.st_size == seen.st_size &&
        now.st_mtim.tv_sec == seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return;
    read_script(path ? fopen(path, "re") : NULL);
    seen = now;
    was_read = 1;
}

/* --- a call --------------------------------------------------------------------------------------------- */

static long long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void spend(long microseconds) {
    if (microseconds >= SPIN_BELOW) usleep(microseconds);
    else if (microseconds > 0)
        for (long long until = nanoseconds() + microseconds * 1000LL; nanoseconds() < until;) continue;
}

static int lacks(const char *call) {
    for (unsigned i = 0; i < machine.lacks; i++)
        if (!strcmp(machine.lack[i], call)) return 1;
    return 0;
}

static int judge(const char *call, const void *handle, Visit *visit) {
    size_t number = (size_t)handle % 256, mig = (size_t)handle / 256;
    if (lacks(call)) return FUNCTION_NOT_FOUND;
    if (machine.mode != SUCCESS) return machine.mode;
    if (!handle) return SUCCESS;
    if (!opened) return UNINITIALIZED;
    if (number < 1 || number > machine.gpus) return INVALID_ARGUMENT;
    visit->gpu = &machine.gpu[number - 1];
    if (visit->gpu->mode != SUCCESS) return visit->gpu->mode;
    if (mig > visit->gpu->migs) return NOT_FOUND;
    visit->mig = mig ? &visit->gpu->mig[mig - 1] : NULL;
    return SUCCESS;
}

static void look_again(void) {
    pthread_mutex_unlock(&lock);
    usleep(LOOK_AGAIN);
    pthread_mutex_lock(&lock);
    refresh();
}

/* Waits as the script says; afterwards the machine stays as it is until `leave`. */
Visit enter(const char *call, const void *handle) {
    Visit visit = {0};
    pthread_mutex_lock(&lock);
    if (handle) calls++;
    refresh();
    long delay = machine.delay;
    if (delay) {
        pthread_mutex_unlock(&lock);
        spend(delay);
        pthread_mutex_lock(&lock);
    }
    while ((visit.answer = judge(call, handle, &visit)) == HANGS) {
        hanging++;
        look_again();
        hanging--;
    }
    return visit;
}

/* For a call that cannot go on while another one hangs. */
void wait_for_the_others(void) {
    while (hanging) look_again();
}

void leave(const Visit *visit) {
    (void)visit;
    pthread_mutex_unlock(&lock);
}

void open_driver(int by) { opened += by; }

int is_open(void) { return opened > 0; }

int give_text(const char *text, char *out, unsigned length) {
    if (!*text) return NOT_SUPPORTED;
    if (strlen(text) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

/* Not NVML's: how many calls about a card this process has made, for tests that count them. */
unsigned long fakeNvmlCalls(void) { return calls; }
