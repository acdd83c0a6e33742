/* A stand-in for libnvidia-ml.so.1. It answers from the text file $NVML_STUB_STATE, read at every call.
 *
 * One statement a line, '#' starts a comment. N is a GPU's index, codes are NVML's return codes.
 *   cards N                        how many GPUs there are (default 2, idle RTX 3090s)
 *   init CODE                      what nvmlInit answers
 *   slow MILLISECONDS              how long nvmlInit takes
 *   refuse FUNCTION CODE           what FUNCTION answers, on every GPU
 *   path LEVEL                     what lies between two GPUs (nvmlGpuTopologyLevel_t)
 *   bridge LINKS                   NVLinks from each GPU to its neighbour
 *   card N name TEXT               card N memory TOTAL_MIB USED_MIB
 *   card N load GPU% MEMORY%       card N heat CELSIUS
 *   card N power MILLIWATTS        card N broken CODE
 *   card N compute PID MIB NAME    card N graphics PID MIB NAME
 *
 * Compiled with -DOLD_DRIVER it lacks the functions that newer drivers added. Layouts are those of nvml.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1ull << 20)
enum { CARDS = 8, PROCESSES = 16, REFUSALS = 8, RESERVED_MIB = 268 };
enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, UNSUPPORTED = 3, TOO_SMALL = 7 };

typedef struct { unsigned pid; unsigned long long bytes; unsigned instance, compute_instance; } Listed;
typedef struct { unsigned pid, mib; int is_graphics; char name[200]; } Process;
typedef struct {
    char name[96];
    unsigned total_mib, used_mib, load, memory_load, heat, milliwatts, processes;
    int broken;
    Process process[PROCESSES];
} Card;
typedef struct { char function[80]; int code; } Refusal;
typedef struct {
    int init, path;
    unsigned cards, refusals, bridge, slow;
    Card card[CARDS];
    Refusal refusal[REFUSALS];
} Machine;

static Machine machine;
static int opened;
static char handles[CARDS]; /* a handle is the address of one of these */

static void read_card(unsigned index, const char *word, const char *rest) {
    if (index >= CARDS) return;
    Card *card = &machine.card[index];
    Process *process = &card->process[card->processes];
    if (!strcmp(word, "name")) snprintf(card->name, sizeof card->name, "%.95s", rest);
    else if (!strcmp(word, "memory")) sscanf(rest, "%u %u", &card->total_mib, &card->used_mib);
    else if (!strcmp(word, "load")) sscanf(rest, "%u %u", &card->load, &card->memory_load);
    else if (!strcmp(word, "heat")) sscanf(rest, "%u", &card->heat);
    else if (!strcmp(word, "power")) sscanf(rest, "%u", &card->milliwatts);
    else if (!strcmp(word, "broken")) sscanf(rest, "%d", &card->broken);
    else if (card->processes < PROCESSES && (!strcmp(word, "compute") || !strcmp(word, "graphics"))) {
        sscanf(rest, "%u %u %199[^\n]", &process->pid, &process->mib, process->name);
        process->is_graphics = word[0] == 'g';
        card->processes++;
    }
}

static void read_state(void) {
    char line[400], word[40], rest[300];
    unsigned index;
    const char *path = getenv("NVML_STUB_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    memset(&machine, 0, sizeof machine);
    machine.cards = 2;
    machine.path = 30;
    for (index = 0; index < CARDS; index++) {
        Card *card = &machine.card[index];
        strcpy(card->name, "NVIDIA GeForce RTX 3090");
        card->total_mib = 24576, card->used_mib = 1, card->heat = 31, card->milliwatts = 21500;
    }
    while (file && fgets(line, sizeof line, file)) {
        Refusal *refusal = &machine.refusal[machine.refusals];
        if (line[0] == '#') continue;
        if (sscanf(line, "card %u %39s %299[^\n]", &index, word, rest) == 3) read_card(index, word, rest);
        else if (machine.refusals < REFUSALS && sscanf(line, "refuse %79s %d", refusal->function, &refusal->code) == 2)
            machine.refusals++;
        else if (sscanf(line, "cards %u", &machine.cards) == 1) continue;
        else if (sscanf(line, "init %d", &machine.init) == 1) continue;
        else if (sscanf(line, "slow %u", &machine.slow) == 1) continue;
        else if (sscanf(line, "path %d", &machine.path) == 1) continue;
        else sscanf(line, "bridge %u", &machine.bridge);
    }
    if (file) fclose(file);
}

static int begin(const char *function) {
    read_state();
    for (unsigned i = 0; i < machine.refusals; i++)
        if (!strcmp(machine.refusal[i].function, function)) return machine.refusal[i].code;
    return opened ? OK : UNINITIALIZED;
}

static int begin_on_card(const char *function, void *handle, Card **card) {
    int code = begin(function);
    long index = (char *)handle - handles;
    if (code) return code;
    if (index < 0 || index >= (long)machine.cards) return INVALID;
    *card = &machine.card[index];
    return (*card)->broken;
}

#define BEGIN int code_ = begin(__func__); if (code_) return code_
#define CARD(handle) Card *card = NULL; int code_ = begin_on_card(__func__, handle, &card); if (code_) return code_
#define NUMBER(function, value) \
    int function(void *handle, unsigned *answer) { CARD(handle); *answer = (value); return OK; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    read_state();
    usleep(1000 * machine.slow);
    if (!machine.init) opened++;
    return machine.init;
}
int nvmlShutdown(void) {
    if (!opened) return UNINITIALIZED;
    opened--;
    return OK;
}
const char *nvmlErrorString(int code) { (void)code; return "an error of the stub"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { BEGIN; snprintf(text, size, "570.124.06"); return OK; }
int nvmlSystemGetCudaDriverVersion(int *version) { BEGIN; *version = 12080; return OK; }
int nvmlSystemGetProcessName(unsigned pid, char *text, unsigned size) {
    BEGIN;
    for (unsigned i = 0; i < machine.cards && i < CARDS; i++)
        for (unsigned j = 0; j < machine.card[i].processes; j++)
            if (machine.card[i].process[j].pid == pid) {
                snprintf(text, size, "%s", machine.card[i].process[j].name);
                return OK;
            }
    return 6;
}
int nvmlDeviceGetCount_v2(unsigned *count) { BEGIN; *count = machine.cards; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    BEGIN;
    if (index >= machine.cards || index >= CARDS) return INVALID;
    *handle = &handles[index];
    return machine.card[index].broken;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    CARD(handle);
    snprintf(text, size, "%s", card->name);
    return OK;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    CARD(handle);
    snprintf(text, size, "GPU-5f0c3a7e-1b2d-4c3e-9a8b-00000000000%ld", (long)((char *)handle - handles));
    return OK;
}

typedef struct { unsigned long long total, free, used; } Memory;
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    CARD(handle);
    memory->total = card->total_mib * MIB;
    memory->used = (card->used_mib + RESERVED_MIB) * MIB;
    memory->free = memory->total - memory->used;
    return OK;
}
typedef struct { unsigned gpu, memory; } Load;
int nvmlDeviceGetUtilizationRates(void *handle, Load *load) {
    CARD(handle);
    load->gpu = card->load, load->memory = card->memory_load;
    return OK;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *heat) {
    CARD(handle);
    *heat = card->heat;
    return sensor ? INVALID : OK;
}
NUMBER(nvmlDeviceGetPowerUsage, card->milliwatts)
NUMBER(nvmlDeviceGetPowerManagementLimit, 350000)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, card->load ? 4 : 1)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, 8)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, 4)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, 16)
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) {
    CARD(handle);
    *mhz = kind == 2 ? 9751 : card->load ? 1695 : 210;
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    CARD(handle);
    *major = 8, *minor = 6;
    return OK;
}

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
static void describe_pci(long index, Pci *pci) {
    memset(pci, 0, sizeof *pci);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02lX:00.0", index + 1);
}
int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci) {
    CARD(handle);
    describe_pci((char *)handle - handles, pci);
    return OK;
}
int nvmlDeviceGetNvLinkState(void *handle, unsigned link, unsigned *is_active) {
    CARD(handle);
    *is_active = link < machine.bridge;
    return link < 4 ? OK : INVALID;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void *handle, unsigned link, Pci *pci) {
    CARD(handle);
    (void)link;
    describe_pci(((char *)handle - handles) ^ 1, pci);
    return OK;
}

static int list_processes(const Card *card, int is_graphics, unsigned *count, Listed *listed) {
    unsigned room = *count, found = 0;
    for (unsigned i = 0; i < card->processes; i++) {
        const Process *process = &card->process[i];
        if (process->is_graphics != is_graphics) continue;
        if (found < room) listed[found] = (Listed){process->pid, process->mib * MIB, ~0u, ~0u};
        found++;
    }
    *count = found;
    return found > room ? TOO_SMALL : OK;
}
#define PROCESS_LIST(function, is_graphics) \
    int function(void *handle, unsigned *count, Listed *listed) { \
        CARD(handle); \
        return list_processes(card, is_graphics, count, listed); \
    }
PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v2, 0)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, 1)

#ifndef OLD_DRIVER
PROCESS_LIST(nvmlDeviceGetComputeRunningProcesses_v3, 0)
PROCESS_LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, 1)
NUMBER(nvmlDeviceGetEnforcedPowerLimit, 350000)

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
int nvmlDeviceGetMemoryInfo_v2(void *handle, MemoryV2 *memory) {
    CARD(handle);
    memory->total = card->total_mib * MIB;
    memory->reserved = RESERVED_MIB * MIB;
    memory->used = card->used_mib * MIB;
    memory->free = memory->total - memory->reserved - memory->used;
    return OK;
}
typedef struct { unsigned version; int sensor, celsius; } TemperatureV1;
int nvmlDeviceGetTemperatureV(void *handle, TemperatureV1 *temperature) {
    CARD(handle);
    temperature->celsius = (int)card->heat;
    return OK;
}
int nvmlDeviceGetTopologyCommonAncestor(void *handle, void *other, int *level) {
    CARD(handle);
    (void)other;
    *level = machine.path;
    return OK;
}
int nvmlDeviceGetP2PStatus(void *handle, void *other, int capability, int *status) {
    CARD(handle);
    (void)other, (void)capability;
    *status = machine.bridge ? 0 : 1; /* 1: the chipset does not support it */
    return OK;
}
#endif
