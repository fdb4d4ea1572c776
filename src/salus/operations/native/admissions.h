/* Changes of who comes when, to which room and theatre. */
#include "nurses.h"

static int some_day(State *s, int p) { return s->release[p] + below(s, s->last[p] - s->release[p] + 1); }

static int some_room(State *s, int p) {
    int first = s->first_suitable[p], n = s->first_suitable[p + 1] - first;
    return n ? s->suitable[first + below(s, n)] : OUT;
}

/* A patient comes on another day, to another room, comes at all, or (if optional) does not. */
static void move_patient(State *s) {
    int p = below(s, s->patients), price = 0;
    Place old = place_of(s, p), to = old;
    int kind = old.day == OUT ? 2 : below(s, 8);
    if (kind == 7) to.day = OUT;
    else {
        if (kind != 1 && kind != 4) to.day = some_day(s, p);
        if (kind != 0 && kind != 3) to.room = some_room(s, p);
        if (to.room == OUT || (to.day == old.day && to.room == old.room)) return;
        if (!surgeon_can(s, p, to.day) || !can_lie(s, p, to.day, to.room)) return;
    }
    if (kind == 7 && s->mandatory[p]) return;
    double limit = acceptable(s);
    int64_t before = s->cost;
    if (old.day != OUT) discharge(s, p);
    if (to.day == OUT) {
        if (s->cost - before > limit) admit(s, p, old);
        return;
    }
    to.theatre = best_theatre(s, p, to.day, &price);
    if (to.theatre == OUT || s->cost - before + price + bed_price(s, p, to.day, to.room) > limit) put_back(s, p, old);
    else admit(s, p, to);
}

/* The operation of an admitted patient goes to another theatre of the same day. */
static void move_operation(State *s) {
    int p = below(s, s->patients), to = below(s, s->theatres);
    Place old = place_of(s, p);
    if (old.day == OUT || to == old.theatre || s->theatre_left[to * s->days + old.day] < s->duration[p]) return;
    int g = s->surgeon[p] * s->days + old.day, from = old.theatre;
    int change = s->operations[to * s->days + old.day] ? 0 : s->w_open;
    if (s->operations[from * s->days + old.day] == 1) change -= s->w_open;
    change += s->w_transfer * ((s->visits[g * s->theatres + to] == 0) - (s->visits[g * s->theatres + from] == 1));
    if (change > acceptable(s)) return;
    s->theatre_left[from * s->days + old.day] += s->duration[p];
    s->theatre_left[to * s->days + old.day] -= s->duration[p];
    s->operations[from * s->days + old.day]--;
    s->operations[to * s->days + old.day]++;
    s->visited[g] += (s->visits[g * s->theatres + to]++ == 0) - (--s->visits[g * s->theatres + from] == 0);
    s->theatre[p] = to;
    s->cost += change;
}

static int eject(State *s, int p) {
    if (p >= s->patients || s->ejected > MOST_EJECTED) return 0;
    s->ejected_who[s->ejected] = p;
    s->ejected_from[s->ejected++] = place_of(s, p);
    if (s->day[p] != OUT) discharge(s, p);
    return 1;
}

static void undo_ejections(State *s) {
    for (int i = 0; i < s->ejected; i++)
        if (s->day[s->ejected_who[i]] != OUT) discharge(s, s->ejected_who[i]);
    for (int i = 0; i < s->ejected; i++) put_back(s, s->ejected_who[i], s->ejected_from[i]);
}

/* Somebody operated on a day, by one surgeon or (surgeon OUT) in one theatre; OUT when there is nobody. */
static int some_operated(State *s, int day, int surgeon, int theatre) {
    int start = below(s, s->patients);
    for (int i = 0; i < s->patients; i++) {
        int p = start + i < s->patients ? start + i : start + i - s->patients;
        if (s->day[p] == day && (surgeon == OUT ? s->theatre[p] == theatre : s->surgeon[p] == surgeon)) return p;
    }
    return OUT;
}

/* Take out who is in the way of a patient at a day, room and theatre; 0 when somebody cannot be moved. */
static int make_room(State *s, int p, Place *at) {
    int end = least(at->day + s->stay[p], s->days), price = 0;
    for (int d = at->day; d < end; d++) {
        int cell = at->room * s->days + d;
        const int32_t *here = s->lie + cell * s->most_beds;
        if (s->closed[d]) return 0;
        while (s->lying[cell] && s->gender[here[0]] != s->gender[p])
            if (!eject(s, here[0])) return 0;
        if (s->lying[cell] >= s->beds[at->room] && (!s->lying[cell] || !eject(s, here[below(s, s->lying[cell])])))
            return 0;
    }
    while (s->surgeon_left[s->surgeon[p] * s->days + at->day] < s->duration[p]) {
        int other = some_operated(s, at->day, s->surgeon[p], OUT);
        if (other == OUT || !eject(s, other)) return 0;
    }
    int theatre = best_theatre(s, p, at->day, &price);
    if (theatre != OUT) at->theatre = theatre;
    while (s->theatre_left[at->theatre * s->days + at->day] < s->duration[p]) {
        int other = some_operated(s, at->day, OUT, at->theatre);
        if (other == OUT || !eject(s, other)) return 0;
    }
    return 1;
}

/* Keep in *best the cheaper of it and admitting p on a day to a room. */
static void consider(State *s, int p, int day, int room, Place *best, int *best_price) {
    int price = 0;
    if (day < s->release[p] || day > s->last[p] || room == OUT || !s->suits[p * s->rooms + room]) return;
    if (!surgeon_can(s, p, day) || !can_lie(s, p, day, room)) return;
    int theatre = best_theatre(s, p, day, &price);
    if (theatre == OUT) return;
    price += bed_price(s, p, day, room);
    if (price < *best_price) *best_price = price, *best = (Place){day, room, theatre};
}

/* A patient comes where others are in the way; these look for another place, or stay out. */
static void force_patient(State *s) {
    int p = below(s, s->patients), first = 1;
    Place at = {some_day(s, p), some_room(s, p), below(s, s->theatres)}, old = place_of(s, p);
    if (old.day != OUT && below(s, 3) == 0) at.day = old.day;
    if (at.room == OUT || (at.day == old.day && at.room == old.room)) return;
    double limit = acceptable(s);
    int64_t before = s->cost;
    s->ejected = 0;
    eject(s, p);
    if (!make_room(s, p, &at)) {
        undo_ejections(s);
        return;
    }
    admit(s, p, at);
    int64_t hope = s->cost - before; /* all others admitted again at no price */
    for (int i = first; i < s->ejected; i++) hope -= s->out_price[s->ejected_who[i]];
    if (hope > limit) {
        undo_ejections(s);
        return;
    }
    for (int pass = 0; pass < 2; pass++) { /* mandatory patients choose first */
        for (int i = first; i < s->ejected; i++) {
            int q = s->ejected_who[i], price = 0;
            if (s->mandatory[q] == pass) continue;
            Place from = s->ejected_from[i], best = {OUT, OUT, OUT};
            consider(s, q, from.day, old.room, &best, &price);
            consider(s, q, old.day, old.room, &best, &price);
            consider(s, q, old.day, from.room, &best, &price);
            for (int tries = 0; tries < 4; tries++) consider(s, q, from.day, some_room(s, q), &best, &price);
            for (int tries = 0; tries < 8; tries++) consider(s, q, some_day(s, q), some_room(s, q), &best, &price);
            put_back(s, q, best);
        }
    }
    if (s->cost - before > limit) undo_ejections(s);
}

/* Two admitted patients exchange rooms, or rooms, days and theatres. */
static void exchange_beds(State *s) {
    int p = below(s, s->patients), q = below(s, s->patients);
    Place here = place_of(s, p), there = place_of(s, q);
    if (p == q || here.day == OUT || there.day == OUT || here.room == there.room) return;
    Place to_p = draw(s) & 1 ? there : (Place){here.day, there.room, here.theatre}, to_q = here;
    if (to_p.day == here.day && to_p.theatre == here.theatre) to_q = (Place){there.day, here.room, there.theatre};
    if (!s->suits[p * s->rooms + to_p.room] || !s->suits[q * s->rooms + to_q.room]) return;
    if (to_p.day < s->release[p] || to_p.day > s->last[p] || to_q.day < s->release[q] || to_q.day > s->last[q]) return;
    double limit = acceptable(s);
    int64_t before = s->cost;
    discharge(s, p);
    discharge(s, q);
    if (surgeon_can(s, p, to_p.day) && s->theatre_left[to_p.theatre * s->days + to_p.day] >= s->duration[p] &&
        can_lie(s, p, to_p.day, to_p.room)) {
        admit(s, p, to_p);
        if (surgeon_can(s, q, to_q.day) && s->theatre_left[to_q.theatre * s->days + to_q.day] >= s->duration[q] &&
            can_lie(s, q, to_q.day, to_q.room)) {
            admit(s, q, to_q);
            if (s->cost - before <= limit) return;
            discharge(s, q);
        }
        discharge(s, p);
    }
    admit(s, p, here);
    admit(s, q, there);
}
