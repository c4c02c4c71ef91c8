/* A small libnvidia-ml.so.1 for tests: a driver that says what a script file tells it to say.
 *
 * Here: the driver itself, what a card is, and what runs on it. Only what the product and the exporters that it is
 * measured against call is here; a symbol that is missing is what an old driver looks like.
 */
#include "machine.h"

#include <stdio.h>
#include <string.h>

/* --- the driver ----------------------------------------------------------------------------------------- */

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    VISIT(NULL);
    open_driver(1);
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    VISIT(NULL);
    wait_for_the_others();
    if (!is_open()) return UNINITIALIZED;
    open_driver(-1);
    return SUCCESS;
}

const char *nvmlErrorString(int result) {
    switch (result) {
        case SUCCESS: return "Success";
        case UNINITIALIZED: return "Uninitialized";
        case INVALID_ARGUMENT: return "Invalid Argument";
        case NOT_SUPPORTED: return "Not Supported";
        case NOT_FOUND: return "Not Found";
        case INSUFFICIENT_SIZE: return "Insufficient Size";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case TIMEOUT: return "Timeout";
        case FUNCTION_NOT_FOUND: return "Function Not Found";
        case GPU_IS_LOST: return "GPU is lost";
        case OPERATING_SYSTEM: return "GPU access blocked by the operating system";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    VISIT(NULL);
    return is_open() ? give_text(machine.version, version, length) : UNINITIALIZED;
}

int nvmlSystemGetCudaDriverVersion(int *version) {
    VISIT(NULL);
    *version = 12040;
    return is_open() ? SUCCESS : UNINITIALIZED;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    VISIT(NULL);
    *count = machine.gpus;
    return is_open() ? SUCCESS : UNINITIALIZED;
}

/* --- a card --------------------------------------------------------------------------------------------- */

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = GPU_HANDLE(index);
    VISIT(*handle);
    return SUCCESS;
}

int nvmlDeviceGetIndex(void *handle, unsigned *index) {
    VISIT(handle);
    *index = visit.gpu - machine.gpu;
    return SUCCESS;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    char whole[2 * TEXT + 8];
    VISIT(handle);
    snprintf(whole, sizeof whole, visit.mig ? "%s MIG %s" : "%s", visit.gpu->name, visit.mig ? visit.mig->profile : "");
    return give_text(whole, name, length);
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned length) {
    VISIT(handle);
    return give_text(visit.mig ? visit.mig->uuid : visit.gpu->uuid, uuid, length);
}

typedef struct {
    char bus_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} Pci;

int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci) {
    VISIT(handle);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->bus_legacy, sizeof pci->bus_legacy, "%.15s", visit.gpu->pci + 4);
    sscanf(visit.gpu->pci, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    return give_text(visit.gpu->pci, pci->bus_id, sizeof pci->bus_id);
}

int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    VISIT(handle);
    *major = 8;
    *minor = 9;
    return SUCCESS;
}

/* --- its MIG devices ------------------------------------------------------------------------------------ */

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    VISIT(handle);
    if (!visit.gpu->mig_known) return NOT_SUPPORTED;
    *current = *pending = visit.gpu->migs > 0;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    VISIT(handle);
    *count = visit.gpu->mig_known ? 7 : 0;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **mig) {
    VISIT(handle);
    if (index >= visit.gpu->migs) return NOT_FOUND;
    *mig = MIG_HANDLE(handle, index);
    return SUCCESS;
}

int nvmlDeviceIsMigDeviceHandle(void *handle, unsigned *is_mig) {
    VISIT(handle);
    *is_mig = visit.mig != NULL;
    return SUCCESS;
}

/* --- its processes -------------------------------------------------------------------------------------- */

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *processes) {
    unsigned room = *count;
    VISIT(handle);
    if (!visit.gpu->processes_known) return NOT_SUPPORTED;
    *count = visit.gpu->processes;
    if (visit.gpu->processes > room) return INSUFFICIENT_SIZE;
    if (visit.gpu->processes) memcpy(processes, visit.gpu->process, visit.gpu->processes * sizeof *processes);
    return SUCCESS;
}

/* All that run here compute; none draws. */
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, Process *processes) {
    (void)processes;
    VISIT(handle);
    *count = 0;
    return visit.gpu->processes_known ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetMPSComputeRunningProcesses_v3(void *handle, unsigned *count, Process *processes) {
    return nvmlDeviceGetGraphicsRunningProcesses_v3(handle, count, processes);
}

int nvmlDeviceGetProcessUtilization(void *handle, void *samples, unsigned *count, unsigned long long since) {
    (void)samples;
    (void)since;
    VISIT(handle);
    *count = 0;
    return NOT_FOUND;
}
