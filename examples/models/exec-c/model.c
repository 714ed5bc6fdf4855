/*
 * Listens for damaged bearings. A sound one hums; one with a crack in it knocks at every turn, and the
 * peaks of its vibration stand out above the mean of it: their ratio is the crest factor, which is
 * 1.4 for a pure tone.
 */
#include "runner.h"

#include <math.h>

static double limit = 4;

static const char *load(struct json params) {
  struct json value;
  if (!json_member(params, "limit", &value)) return NULL;
  if (!json_number(value, &limit) || limit < 1) return "limit is no number of at least 1";
  return NULL;
}

static void answer(struct json event, struct json context, struct outcome *outcome) {
  (void)context;
  struct json vibration, samples, sample;
  if (!json_member(event, "vibration", &vibration) || !json_array(vibration, &samples)) {
    outcome_error(outcome, "EventError", "an event needs a list of numbers: vibration");
    return;
  }
  /* The squares are those of samples divided by the peak so far: none is too large for a double. */
  double count = 0, peak = 0, squares = 0;
  while (json_next(&samples, &sample)) {
    double height;
    if (!json_number(sample, &height)) {
      outcome_error(outcome, "EventError", "vibration has an element that is no number");
      return;
    }
    height = fabs(height);
    count++;
    if (height > peak) {
      squares = squares * (peak / height) * (peak / height) + 1;
      peak = height;
    } else if (peak > 0) {
      squares += (height / peak) * (height / peak);
    }
  }
  if (peak == 0) return;
  double crest = sqrt(count / squares);
  if (crest > limit) {
    outcome_value(outcome, "{\"crest\":%.6g,\"peak\":%.6g,\"rms\":%.6g}", crest, peak, peak / crest);
  }
}

int main(void) {
  static const struct model model = {"bearing 1.0.0 (C99)", load, answer};
  return serve(&model);
}
