/* Simulated annealing over admissions and roster together: what anneal.py does, many times as fast.
 *
 * native.py compiles this and calls what is exported below. It keeps no clock: the caller asks for steps at a
 * temperature. The same seed and the same calls walk the same way.
 */
#include "admissions.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static void keep(State *s) {
    s->best_cost = s->cost;
    memcpy(s->best_place, s->day, (size_t)s->patients * sizeof(int32_t));
    memcpy(s->best_place + s->patients, s->room, (size_t)s->patients * sizeof(int32_t));
    memcpy(s->best_place + 2 * s->patients, s->theatre, (size_t)s->patients * sizeof(int32_t));
    memcpy(s->best_nurse, s->nurse, (size_t)(s->rooms * s->shifts) * sizeof(int32_t));
}

/* A state with nobody admitted but the occupants. ``words``: see read_words. */
EXPORT State *salus_open(const int32_t *words, int n, const int32_t *occupied, uint64_t seed) {
    State *s = calloc(1, sizeof(State));
    s->memory = blank(n);
    memcpy(s->memory, words, (size_t)n * sizeof(int32_t));
    read_words(s, s->memory);
    make_plan(s);
    s->random = seed * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0xD1B54A32D192ED03);
    if (!s->random) s->random = 1;
    for (int room = 0; room < s->rooms; room++)
        for (int shift = 0; shift < s->shifts; shift++) s->nurse[room * s->shifts + shift] = some_nurse(s, shift);
    for (int p = 0; p < s->patients; p++) {
        s->out_price[p] = s->mandatory[p] ? s->w_mandatory : s->w_unscheduled;
        s->cost += s->out_price[p];
        s->missing += s->mandatory[p];
    }
    for (int o = s->patients; o < s->persons; o++) lie_down(s, o, 0, occupied[o - s->patients]);
    return s;
}

EXPORT void salus_close(State *s) {
    int32_t *all[] = {s->memory, s->day, s->room, s->theatre, s->lying, s->lie, s->nurse, s->load, s->care,
                      s->operations, s->visits, s->visited, s->out_price, s->best_place, s->best_nurse, s->mark, s->old_nurse};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) free(all[i]);
    free(s);
}

/* Go to a plan: days, rooms and theatres of the patients, then the nurses of rooms × shifts (OUT: leave as it is).
 * Returns like salus_run. */
EXPORT int64_t salus_load(State *s, const int32_t *place, const int32_t *nurse) {
    for (int p = 0; p < s->patients; p++)
        if (s->day[p] != OUT) discharge(s, p);
    for (int i = 0; i < s->rooms * s->shifts; i++)
        if (nurse[i] != OUT) set_nurse(s, i / s->shifts, i % s->shifts, nurse[i]);
    for (int p = 0; p < s->patients; p++)
        put_back(s, p, (Place){place[p], place[s->patients + p], place[2 * s->patients + p]});
    if (!s->missing && s->cost < s->best_cost) keep(s);
    return s->best_cost;
}

/* Mandatory patients who are still out become dearer, so that others make way (weights as in breakout local search). */
static void press(State *s) {
    for (int p = 0; p < s->patients; p++)
        if (s->mandatory[p] && s->day[p] == OUT && s->out_price[p] < MOST_PRICE) {
            s->out_price[p] += s->w_mandatory / 4;
            s->cost += s->w_mandatory / 4;
        }
}

/* Steps at a temperature; returns the cost of the best plan met (INT64_MAX: none that misses nobody). */
EXPORT int64_t salus_run(State *s, int steps, double temperature) {
    s->temperature = temperature;
    for (int i = 0; i < steps && s->rooms; i++) {
        int kind = below(s, 100);
        if (s->missing && i % PRESSED_EVERY == 0) press(s);
        if (kind < 20) another_nurse(s);
        else if (kind < 28) exchange_nurses(s);
        else if (kind < 36) stint(s);
        else if (kind < 40) fewer_nurses(s);
        else if (!s->patients || !s->theatres) continue;
        else if (kind < 64) move_patient(s);
        else if (kind < 67) move_operation(s);
        else if (kind < 76) exchange_beds(s);
        else force_patient(s);
        if (s->cost < s->best_cost && !s->missing) keep(s);
    }
    return s->best_cost;
}

EXPORT int64_t salus_cost(const State *s) { return s->cost; }

EXPORT int salus_missing(const State *s) { return s->missing; }

EXPORT void salus_best(const State *s, int32_t *place, int32_t *nurse) {
    memcpy(place, s->best_place, (size_t)(3 * s->patients) * sizeof(int32_t));
    memcpy(nurse, s->best_nurse, (size_t)(s->rooms * s->shifts) * sizeof(int32_t));
}
