/* One patient put in, taken out or priced; each keeps or foretells the cost exactly. */
#include "problem.h"

static int spread(const State *s, const int32_t *here, int n) {
    if (n < 2) return 0;
    int low = s->age[here[0]], high = low;
    for (int i = 1; i < n; i++) {
        int age = s->age[here[i]];
        if (age < low) low = age;
        if (age > high) high = age;
    }
    return high - low;
}

static int spread_with(const State *s, const int32_t *here, int n, int age) {
    if (n < 1) return 0;
    int low = age, high = age;
    for (int i = 0; i < n; i++) {
        int other = s->age[here[i]];
        if (other < low) low = other;
        if (other > high) high = other;
    }
    return high - low;
}

/* Whether there is a bed with the same gender group for the whole stay; where the person lies now does not count. */
static int can_lie(const State *s, int p, int day, int room) {
    int end = least(day + s->stay[p], s->days);
    int from = s->room[p] == room ? s->day[p] : s->days, to = from + s->stay[p];
    for (int d = day; d < end; d++) {
        int cell = room * s->days + d, n = s->lying[cell];
        const int32_t *here = s->lie + cell * s->most_beds;
        if (s->closed[d]) return 0;
        int self = from <= d && d < to;
        if (n - self >= s->beds[room]) return 0;
        if (n > self && s->gender[here[0]] != s->gender[p]) return 0;
    }
    return 1;
}

static int surgeon_can(const State *s, int p, int day) {
    int left = s->surgeon_left[s->surgeon[p] * s->days + day];
    if (s->day[p] == day) left += s->duration[p];
    return left >= s->duration[p];
}

static int theatre_price(const State *s, int p, int day, int theatre) {
    int price = s->operations[theatre * s->days + day] ? 0 : s->w_open;
    int g = s->surgeon[p] * s->days + day;
    if (s->visited[g] && !s->visits[g * s->theatres + theatre]) price += s->w_transfer;
    return price;
}

/* The cheapest theatre with the minutes on a day, for a patient who is out; OUT when there is none. */
static int best_theatre(State *s, int p, int day, int *price) {
    int best = OUT, start = below(s, s->theatres);
    for (int i = 0; i < s->theatres; i++) {
        int t = start + i < s->theatres ? start + i : start + i - s->theatres;
        if (s->theatre_left[t * s->days + day] < s->duration[p]) continue;
        int here = theatre_price(s, p, day, t);
        if (best == OUT || here < *price) best = t, *price = here;
    }
    return best;
}

/* What admitting a patient who is out would cost, theatre apart. */
static int bed_price(State *s, int p, int day, int room) {
    int first, end, last = least(day + s->stay[p], s->days);
    int price = s->w_delay * (day - s->release[p]) - s->out_price[p];
    int mix = 0, lack = 0, excess = 0, carers = 0;
    for (int d = day; d < last; d++) {
        int cell = room * s->days + d, n = s->lying[cell];
        const int32_t *here = s->lie + cell * s->most_beds;
        mix += spread_with(s, here, n, s->age[p]) - spread(s, here, n);
    }
    stay_shifts(s, p, day, &first, &end);
    const int32_t *row = s->nurse + room * s->shifts;
    const int32_t *work = s->workload + s->first_need[p], *need = s->skill + s->first_need[p];
    s->stamp++;
    for (int shift = first; shift < end; shift++, work++, need++) {
        int k = row[shift];
        if (k == OUT) continue;
        if (s->mark[k] != s->stamp) s->mark[k] = s->stamp, carers++;
        lack += over(*need - s->level[k]);
        int free = s->load[k * s->shifts + shift] - s->most[k * s->shifts + shift];
        excess += over(free + *work) - over(free);
    }
    return price + s->w_age_mix * mix + s->w_skill * lack + s->w_excess * excess + s->w_continuity * carers;
}

/* Begin (1) or end (-1) the care of a person: S2 to S4. */
static int care_for(State *s, int p, int sign) {
    int first, end, lack = 0, excess = 0, carers = 0;
    stay_shifts(s, p, s->day[p], &first, &end);
    const int32_t *row = s->nurse + s->room[p] * s->shifts;
    const int32_t *work = s->workload + s->first_need[p], *need = s->skill + s->first_need[p];
    int32_t *care = s->care + p * s->nurses;
    for (int shift = first; shift < end; shift++, work++, need++) {
        int k = row[shift];
        if (k == OUT) continue;
        if (sign > 0) carers += care[k]++ == 0;
        else carers -= --care[k] == 0;
        lack += over(*need - s->level[k]);
        int32_t *load = s->load + k * s->shifts + shift;
        int most = s->most[k * s->shifts + shift], before = over(*load - most);
        *load += sign * *work;
        excess += over(*load - most) - before;
    }
    return s->w_continuity * carers + sign * s->w_skill * lack + s->w_excess * excess;
}

static void lie_down(State *s, int p, int day, int room) {
    int end = least(day + s->stay[p], s->days), mix = 0;
    s->day[p] = day;
    s->room[p] = room;
    for (int d = day; d < end; d++) {
        int cell = room * s->days + d;
        int32_t *here = s->lie + cell * s->most_beds;
        mix -= spread(s, here, s->lying[cell]);
        here[s->lying[cell]++] = p;
        mix += spread(s, here, s->lying[cell]);
    }
    s->cost += s->w_age_mix * mix + care_for(s, p, 1);
}

static void admit(State *s, int p, Place at) {
    int g = s->surgeon[p] * s->days + at.day, cell = at.theatre * s->days + at.day;
    s->missing -= s->mandatory[p];
    s->cost += s->w_delay * (at.day - s->release[p]) - s->out_price[p];
    s->cost += theatre_price(s, p, at.day, at.theatre);
    s->theatre[p] = at.theatre;
    s->theatre_left[cell] -= s->duration[p];
    s->surgeon_left[g] -= s->duration[p];
    s->operations[cell]++;
    if (s->visits[g * s->theatres + at.theatre]++ == 0) s->visited[g]++;
    lie_down(s, p, at.day, at.room);
}

static void discharge(State *s, int p) {
    int day = s->day[p], room = s->room[p], theatre = s->theatre[p], mix = 0;
    int g = s->surgeon[p] * s->days + day, cell = theatre * s->days + day;
    s->missing += s->mandatory[p];
    s->cost += s->out_price[p];
    s->cost -= s->w_delay * (day - s->release[p]);
    s->theatre_left[cell] += s->duration[p];
    s->surgeon_left[g] += s->duration[p];
    s->operations[cell]--;
    if (--s->visits[g * s->theatres + theatre] == 0) s->visited[g]--;
    s->cost -= theatre_price(s, p, day, theatre);
    s->cost += care_for(s, p, -1);
    for (int d = day, end = least(day + s->stay[p], s->days); d < end; d++) {
        int bed = room * s->days + d, i = 0;
        int32_t *here = s->lie + bed * s->most_beds;
        mix -= spread(s, here, s->lying[bed]);
        while (here[i] != p) i++;
        here[i] = here[--s->lying[bed]];
        mix += spread(s, here, s->lying[bed]);
    }
    s->cost += s->w_age_mix * mix;
    s->day[p] = s->room[p] = s->theatre[p] = OUT;
}

static Place place_of(const State *s, int p) { return (Place){s->day[p], s->room[p], s->theatre[p]}; }

static void put_back(State *s, int p, Place at) {
    if (at.day != OUT) admit(s, p, at);
}
