/* What a card measures: the calls that are asked anew at every scrape. */
#include "machine.h"

#include <stddef.h>

/* A call that hands out one number of the script. */
#define GIVES(call, number) \
    int call(void *handle, unsigned *out) { \
        VISIT(handle); \
        if (visit.mig || visit.gpu->number == NONE) return NOT_SUPPORTED; \
        *out = (unsigned)visit.gpu->number; \
        return SUCCESS; \
    }

GIVES(nvmlDeviceGetPowerUsage, power)
GIVES(nvmlDeviceGetEnforcedPowerLimit, power_limit)
GIVES(nvmlDeviceGetPowerManagementLimit, power_limit)
GIVES(nvmlDeviceGetFanSpeed, fan)
GIVES(nvmlDeviceGetPerformanceState, performance_state)

/* The same for a call with an argument between handle and answer, which chooses one number of several. */
static int choose(Visit visit, long long number, unsigned *out) {
    if (visit.mig || number == NONE) return NOT_SUPPORTED;
    *out = (unsigned)number;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *celsius) {
    VISIT(handle);
    return sensor ? INVALID_ARGUMENT : choose(visit, visit.gpu->temperature, celsius);
}

typedef struct {
    unsigned version;
    int sensor, celsius;
} Temperature;

int nvmlDeviceGetTemperatureV(void *handle, Temperature *reading) {
    VISIT(handle);
    return reading->sensor ? INVALID_ARGUMENT : choose(visit, visit.gpu->temperature, (unsigned *)&reading->celsius);
}

int nvmlDeviceGetClockInfo(void *handle, int domain, unsigned *megahertz) {
    VISIT(handle);
    return choose(visit, domain == 2 ? visit.gpu->clock_memory : visit.gpu->clock_sm, megahertz);
}

int nvmlDeviceGetMaxClockInfo(void *handle, int domain, unsigned *megahertz) {
    return nvmlDeviceGetClockInfo(handle, domain, megahertz);
}

int nvmlDeviceGetPcieThroughput(void *handle, int direction, unsigned *kilobytes) {
    VISIT(handle);
    return choose(visit, direction ? visit.gpu->pcie_receive : visit.gpu->pcie_transmit, kilobytes);
}

int nvmlDeviceGetEncoderUtilization(void *handle, unsigned *percent, unsigned *period) {
    VISIT(handle);
    *period = 167000;
    return choose(visit, visit.gpu->encoder, percent);
}

int nvmlDeviceGetDecoderUtilization(void *handle, unsigned *percent, unsigned *period) {
    VISIT(handle);
    *period = 167000;
    return choose(visit, visit.gpu->decoder, percent);
}

typedef struct {
    unsigned gpu, memory;
} Utilization;

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *rates) {
    VISIT(handle);
    rates->memory = visit.gpu->memory_utilization == NONE ? 0 : (unsigned)visit.gpu->memory_utilization;
    return choose(visit, visit.gpu->utilization, &rates->gpu);
}

static int give_wide(Visit visit, long long number, unsigned long long *out) {
    if (visit.mig || number == NONE) return NOT_SUPPORTED;
    *out = (unsigned long long)number;
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
    VISIT(handle);
    return give_wide(visit, visit.gpu->energy, millijoules);
}

int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *bits) {
    VISIT(handle);
    return give_wide(visit, visit.gpu->throttle, bits);
}

/* The same under the name that drivers before 535 have. */
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *bits) {
    VISIT(handle);
    return give_wide(visit, visit.gpu->throttle, bits);
}

int nvmlDeviceGetSupportedClocksEventReasons(void *handle, unsigned long long *bits) {
    VISIT(handle);
    return give_wide(visit, visit.gpu->throttle_supported, bits);
}

int nvmlDeviceGetSupportedClocksThrottleReasons(void *handle, unsigned long long *bits) {
    VISIT(handle);
    return give_wide(visit, visit.gpu->throttle_supported, bits);
}

/* --- memory --------------------------------------------------------------------------------------------- */

typedef struct {
    unsigned long long total, free, used;
} Memory;

typedef struct {
    unsigned version;
    unsigned long long total, reserved, free, used;
} Memory2;

static int weigh(Visit visit, Memory2 *memory) {
    long long used = visit.mig ? (long long)visit.mig->memory_used : visit.gpu->memory_used;
    long long total = visit.mig ? (long long)visit.mig->memory_total : visit.gpu->memory_total;
    if (total == NONE || used == NONE) return NOT_SUPPORTED;
    memory->total = total;
    memory->used = used;
    memory->reserved = visit.mig ? 0 : visit.gpu->memory_reserved;
    memory->free = memory->total - memory->used - memory->reserved;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *memory) {
    VISIT(handle);
    return weigh(visit, memory);
}

/* The older call counts what the driver keeps for itself as used. */
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    Memory2 whole;
    VISIT(handle);
    int answer = weigh(visit, &whole);
    if (answer != SUCCESS) return answer;
    memory->total = whole.total;
    memory->free = whole.free;
    memory->used = whole.used + whole.reserved;
    return SUCCESS;
}

/* --- many facts in one call ----------------------------------------------------------------------------- */

typedef struct {
    unsigned id, scope;
    long long timestamp, latency;
    int type, answer;
    unsigned long long value;
} FieldValue;

enum { AS_UNSIGNED = 1, AS_LONG_LONG = 3 };

/* Temperatures and powers are narrow, what adds up (energy, throttled time) is wide. */
static int is_narrow(unsigned id) { return id == 82 || (id >= 185 && id <= 192); }

int nvmlDeviceGetFieldValues(void *handle, int count, FieldValue *values) {
    VISIT(handle);
    for (FieldValue *value = values; value < values + count; value++) {
        value->answer = NOT_SUPPORTED;
        for (unsigned i = 0; i < visit.gpu->fields; i++) {
            if (visit.gpu->field[i].id != value->id) continue;
            value->answer = SUCCESS;
            value->type = is_narrow(value->id) ? AS_UNSIGNED : AS_LONG_LONG;
            value->value = visit.gpu->field[i].value;
            if (is_narrow(value->id)) value->value |= 0xdeadULL << 32; /* what lies above a narrow value means nothing */
        }
    }
    return SUCCESS;
}
