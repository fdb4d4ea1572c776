/* The problem and a plan in the making, as flat arrays. state.py says what the parts mean; names are the same.
 *
 * Persons are numbered patients first, then occupants. Whoever is not admitted has day -1. Mandatory patients may be
 * out while the search runs, at a price above all wishes that grows until they come; such a plan is never handed over.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OUT (-1)
#define MOST_EJECTED 4
#define PRESSED_EVERY 2000
#define MOST_PRICE (1 << 28)

typedef struct {
    int day, room, theatre;
} Place;

typedef struct {
    /* the problem */
    int days, per_day, shifts, patients, persons, rooms, theatres, surgeons, nurses, most_beds;
    int w_age_mix, w_skill, w_continuity, w_excess, w_open, w_transfer, w_delay, w_unscheduled, w_mandatory;
    int32_t *stay, *age, *gender, *first_need, *workload, *skill;
    int32_t *mandatory, *release, *last, *duration, *surgeon, *suits, *first_suitable, *suitable;
    int32_t *beds, *closed, *first_duty, *duty, *level, *most;
    int32_t *memory; /* what the above point into */
    /* the plan */
    int32_t *day, *room, *theatre, *lying, *lie, *nurse, *load, *care;
    int32_t *theatre_left, *surgeon_left, *operations, *visits, *visited;
    int32_t *out_price; /* what it costs that a patient does not come */
    int64_t cost;
    int missing; /* mandatory patients who are out */
    /* the best plan met that misses nobody */
    int64_t best_cost;
    int32_t *best_place, *best_nurse;
    /* the search */
    uint64_t random;
    double temperature;
    int32_t *mark, *old_nurse;
    int32_t stamp;
    int ejected;
    int ejected_who[MOST_EJECTED + 2];
    Place ejected_from[MOST_EJECTED + 2];
} State;

static uint32_t draw(State *s) { /* xorshift64* (Vigna S. ACM Trans Math Softw 2016;42:30) */
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return (uint32_t)((s->random * UINT64_C(2685821657736338717)) >> 32);
}

static int below(State *s, int n) { return (int)(((uint64_t)draw(s) * (uint64_t)n) >> 32); }

static int least(int a, int b) { return a < b ? a : b; }

static int over(int a) { return a > 0 ? a : 0; }

/* The greatest change of cost that the Metropolis criterion accepts this time. */
static double acceptable(State *s) { return -s->temperature * log((draw(s) + 1.0) / 4294967296.0); }

/* Shifts [*first, *end) of a person's stay from a day on, cut at the horizon. */
static void stay_shifts(const State *s, int person, int day, int *first, int *end) {
    *first = day * s->per_day;
    *end = least(*first + s->stay[person] * s->per_day, s->shifts);
}

static int32_t *take(int32_t **cursor, int n) {
    int32_t *here = *cursor;
    *cursor += n;
    return here;
}

static int32_t *blank(int n) { return calloc((size_t)(n > 0 ? n : 1), sizeof(int32_t)); }

/* The arrays in the order in which native.py writes them. */
static void read_words(State *s, int32_t *c) {
    int32_t *head = take(&c, 21);
    int *numbers[] = {&s->days, &s->per_day, &s->patients, &s->persons, &s->rooms, &s->theatres, &s->surgeons,
                      &s->nurses, &s->most_beds, &s->w_age_mix, &s->w_skill, &s->w_continuity, &s->w_excess,
                      &s->w_open, &s->w_transfer, &s->w_delay, &s->w_unscheduled, &s->w_mandatory};
    for (int i = 0; i < 18; i++) *numbers[i] = head[i];
    int needs = head[18], suitable = head[19], duties = head[20];
    s->shifts = s->days * s->per_day;
    s->stay = take(&c, s->persons);
    s->age = take(&c, s->persons);
    s->gender = take(&c, s->persons);
    s->first_need = take(&c, s->persons);
    s->workload = take(&c, needs);
    s->skill = take(&c, needs);
    s->mandatory = take(&c, s->patients);
    s->release = take(&c, s->patients);
    s->last = take(&c, s->patients);
    s->duration = take(&c, s->patients);
    s->surgeon = take(&c, s->patients);
    s->suits = take(&c, s->patients * s->rooms);
    s->first_suitable = take(&c, s->patients + 1);
    s->suitable = take(&c, suitable);
    s->beds = take(&c, s->rooms);
    s->closed = take(&c, s->days);
    s->first_duty = take(&c, s->shifts + 1);
    s->duty = take(&c, duties);
    s->level = take(&c, s->nurses);
    s->most = take(&c, s->nurses * s->shifts); /* -1: does not work */
    s->theatre_left = take(&c, s->theatres * s->days);
    s->surgeon_left = take(&c, s->surgeons * s->days);
}

static void make_plan(State *s) {
    s->day = blank(s->persons);
    s->room = blank(s->persons);
    s->theatre = blank(s->persons);
    for (int p = 0; p < s->persons; p++) s->day[p] = s->room[p] = s->theatre[p] = OUT;
    s->lying = blank(s->rooms * s->days);
    s->lie = blank(s->rooms * s->days * s->most_beds);
    s->nurse = blank(s->rooms * s->shifts);
    s->load = blank(s->nurses * s->shifts);
    s->care = blank(s->persons * s->nurses);
    s->operations = blank(s->theatres * s->days);
    s->visits = blank(s->surgeons * s->days * s->theatres);
    s->visited = blank(s->surgeons * s->days);
    s->out_price = blank(s->patients);
    s->best_place = blank(3 * s->patients);
    s->best_nurse = blank(s->rooms * s->shifts);
    s->mark = blank(s->nurses);
    s->old_nurse = blank(2 * s->shifts);
    s->best_cost = INT64_MAX;
}
