/* Changes of the roster: who cares for a room in a shift. */
#include "beds.h"

/* What it would cost to give a room in one shift to another nurse who works then. */
static int nurse_change(const State *s, int room, int shift, int nurse) {
    int old = s->nurse[room * s->shifts + shift], cell = room * s->days + shift / s->per_day;
    if (old == nurse || old == OUT) return 0;
    int lack = 0, total = 0, carers = 0;
    for (int i = 0; i < s->lying[cell]; i++) {
        int p = s->lie[cell * s->most_beds + i];
        int at = s->first_need[p] + shift - s->day[p] * s->per_day;
        const int32_t *care = s->care + p * s->nurses;
        lack += over(s->skill[at] - s->level[nurse]) - over(s->skill[at] - s->level[old]);
        total += s->workload[at];
        carers += (care[nurse] == 0) - (care[old] == 1);
    }
    int was = s->load[old * s->shifts + shift] - s->most[old * s->shifts + shift];
    int now = s->load[nurse * s->shifts + shift] - s->most[nurse * s->shifts + shift];
    int excess = over(was - total) - over(was) + over(now + total) - over(now);
    return s->w_skill * lack + s->w_continuity * carers + s->w_excess * excess;
}

static int set_nurse(State *s, int room, int shift, int nurse) {
    int32_t *slot = s->nurse + room * s->shifts + shift;
    int old = *slot, cell = room * s->days + shift / s->per_day, total = 0;
    if (old == nurse || old == OUT) return 0;
    int change = nurse_change(s, room, shift, nurse);
    for (int i = 0; i < s->lying[cell]; i++) {
        int p = s->lie[cell * s->most_beds + i];
        s->care[p * s->nurses + old]--;
        s->care[p * s->nurses + nurse]++;
        total += s->workload[s->first_need[p] + shift - s->day[p] * s->per_day];
    }
    s->load[old * s->shifts + shift] -= total;
    s->load[nurse * s->shifts + shift] += total;
    *slot = nurse;
    s->cost += change;
    return change;
}

static int works(const State *s, int nurse, int shift) {
    return nurse != OUT && s->most[nurse * s->shifts + shift] >= 0;
}

static int some_nurse(State *s, int shift) {
    int n = s->first_duty[shift + 1] - s->first_duty[shift];
    return n ? s->duty[s->first_duty[shift] + below(s, n)] : OUT;
}

/* A nurse who works in a shift: as often as not one who has the room in a shift nearby. */
static int likely_nurse(State *s, int room, int shift) {
    if (draw(s) & 1) {
        int near = shift + below(s, 4 * s->per_day + 1) - 2 * s->per_day;
        if (near >= 0 && near < s->shifts) {
            int k = s->nurse[room * s->shifts + near];
            if (works(s, k, shift)) return k;
        }
    }
    return some_nurse(s, shift);
}

/* An occupied room and a shift at random; 0 when the room is empty then. */
static int some_bed(State *s, int *room, int *shift) {
    *room = below(s, s->rooms);
    *shift = below(s, s->shifts);
    return s->lying[*room * s->days + *shift / s->per_day] > 0;
}

static void another_nurse(State *s) {
    int room, shift;
    if (!some_bed(s, &room, &shift)) return;
    int nurse = likely_nurse(s, room, shift);
    if (nurse == OUT || nurse == s->nurse[room * s->shifts + shift]) return;
    if (nurse_change(s, room, shift, nurse) <= acceptable(s)) set_nurse(s, room, shift, nurse);
}

/* Two rooms exchange their nurses over some days, in one shift of the day. */
static void exchange_nurses(State *s) {
    int room, shift, other = below(s, s->rooms), n = 0;
    int64_t change = 0;
    if (!some_bed(s, &room, &shift) || room == other) return;
    int days = 1 + below(s, 4);
    for (int i = shift; i < s->shifts && n < days; i += s->per_day, n++) {
        int a = s->nurse[room * s->shifts + i], b = s->nurse[other * s->shifts + i];
        change += set_nurse(s, room, i, b) + set_nurse(s, other, i, a);
    }
    if (change <= acceptable(s)) return;
    for (int i = shift; n > 0; i += s->per_day, n--) {
        int a = s->nurse[room * s->shifts + i], b = s->nurse[other * s->shifts + i];
        set_nurse(s, room, i, b);
        set_nurse(s, other, i, a);
    }
}

/* A nurse takes a room in all shifts of some days in which she works; or only those that one other nurse has. */
static void stint(State *s) {
    int room, shift, any = 0;
    int64_t change = 0;
    if (!some_bed(s, &room, &shift)) return;
    int nurse = likely_nurse(s, room, shift), only = draw(s) & 1 ? s->nurse[room * s->shifts + shift] : OUT;
    if (nurse == OUT || nurse == only) return;
    int day = shift / s->per_day, length = 1 + below(s, 6), from = day - below(s, length);
    int first = over(from) * s->per_day, end = least(from + length, s->days) * s->per_day;
    for (int i = first; i < end; i++) {
        int old = s->nurse[room * s->shifts + i];
        s->old_nurse[i] = old;
        if (!works(s, nurse, i) || (only != OUT && old != only)) continue;
        any |= old != nurse;
        change += set_nurse(s, room, i, nurse);
    }
    if (!any || change <= acceptable(s)) return;
    for (int i = first; i < end; i++) set_nurse(s, room, i, s->old_nurse[i]);
}

/* One nurse of a stay hands all its shifts to others, who care for the person already where they can. */
static void fewer_nurses(State *s) {
    int room, shift, first, end;
    int64_t change = 0;
    if (!some_bed(s, &room, &shift)) return;
    int cell = room * s->days + shift / s->per_day;
    int p = s->lie[cell * s->most_beds + below(s, s->lying[cell])];
    const int32_t *row = s->nurse + room * s->shifts, *care = s->care + p * s->nurses;
    int gone = row[shift];
    stay_shifts(s, p, s->day[p], &first, &end);
    for (int i = first; i < end; i++) {
        int n = s->first_duty[i + 1] - s->first_duty[i], to = OUT;
        s->old_nurse[i] = row[i];
        if (row[i] != gone || n < 2) continue;
        const int32_t *on = s->duty + s->first_duty[i];
        for (int j = 0, at = below(s, n); j < n && to == OUT; j++) {
            int k = on[at + j < n ? at + j : at + j - n];
            if (k != gone && care[k]) to = k;
        }
        while (to == OUT || to == gone) to = some_nurse(s, i);
        change += set_nurse(s, room, i, to);
    }
    if (change <= acceptable(s)) return;
    for (int i = first; i < end; i++) set_nurse(s, room, i, s->old_nurse[i]);
}
