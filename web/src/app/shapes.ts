/** Whether an answer is what was asked for, as far as the page could fail at what it is not. */
export type Shape = (value: unknown) => boolean;

const isText: Shape = (value) => typeof value === 'string';
const isFlag: Shape = (value) => typeof value === 'boolean';
const isNumber: Shape = Number.isFinite;
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const object =
  (members: Readonly<Record<string, Shape>>): Shape =>
  (value) =>
    isObject(value) && Object.entries(members).every(([name, shape]) => shape(value[name]));
const list =
  (shape: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(shape);
const record =
  (shape: Shape): Shape =>
  (value) =>
    isObject(value) && Object.values(value).every(shape);
const nullOr =
  (shape: Shape): Shape =>
  (value) =>
    value === null || shape(value);
const either =
  (...all: readonly Shape[]): Shape =>
  (value) =>
    all.some((shape) => shape(value));
const is =
  (wanted: unknown): Shape =>
  (value) =>
    value === wanted;
const place = { recording: Number.isSafeInteger, number: Number.isSafeInteger, timestamp: isText };
const run = { scope: isText, id: isText, workflow: isText, status: isText, startedAt: isText, by: object({ id: isText, name: isText }) };
const figures = { runs: isNumber, success: isNumber, failed: isNumber, successRate: nullOr(isNumber), p50Ms: nullOr(isNumber), p95Ms: nullOr(isNumber) };
const period = { start: isText, state: isText, runs: isNumber, success: isNumber, failed: isNumber };
const range = {
  range: isText,
  owner: nullOr(isText),
  lagItems: isNumber,
  lagSeconds: isNumber,
  movedAt: nullOr(isText),
  problem: nullOr(isText),
  failures: isNumber,
  stuckSince: nullOr(isText),
};
const processor = { name: isText, feed: isText, deadLetters: isNumber, deadLettersCommand: nullOr(isText), ranges: list(object(range)) };
const cost = { dollars: isNumber, shares: record(isNumber), alertDollars: isNumber };
const counts = record(isNumber);
const migration = { phase: isText, next: list(object({ text: isText, command: nullOr(isText) })), now: isText };
const store = {
  name: isText,
  problem: nullOr(isText),
  isNeeded: isFlag,
  journal: nullOr(isNumber),
  oldestEntry: nullOr(isText),
  stuck: list(object({ entry: isText, reason: isText })),
  processes: list(object({ process: isText, state: isText, flag: nullOr(isText), problem: nullOr(isText) })),
};
const migrationStatus = {
  ...migration,
  isPossible: is(true),
  changedAt: nullOr(isText),
  steps: list(object({ step: isText, state: isText })),
  daysLeft: nullOr(isNumber),
  routes: list(object({ scope: nullOr(isText), primary: isText, secondary: nullOr(isText) })),
  move: nullOr(object({ kind: isText, stage: isText })),
  running: nullOr(object({ step: isText, runner: isText, beganAt: isText, interruptedSince: nullOr(isText) })),
  progress: list(object({ name: isText, done: isNumber, total: nullOr(isNumber), rate: isNumber, secondsLeft: nullOr(isNumber) })),
  backfill: nullOr(object({ counts, endedAt: isText })),
  verification: nullOr(object({ beganAt: isText, endedAt: isText, counts, open: isNumber, kinds: list(object({ kind: isText, counts })) })),
  stores: list(object(store)),
  commands: record(isText),
};
const page = (item: Shape): Shape => object({ items: list(item), after: isText, before: nullOr(isText) });

export const shapes = {
  me: object({ name: isText, scope: isText, places: list(isText) }),
  scopes: list(object({ scope: isText, name: isText })),
  runs: object({ runs: list(object(run)), next: nullOr(isText) }),
  run: object(run),
  durations: object({ p95Ms: record(Number.isFinite) }),
  dashboard: object({
    window: isText,
    source: isText,
    total: object(figures),
    before: nullOr(object(figures)),
    series: list(object(period)),
    workflows: list(object({ ...figures, name: isText, trend: list(nullOr(isNumber)) })),
    others: nullOr(object(figures)),
    isExact: isFlag,
    asOf: nullOr(isText),
    behindSeconds: nullOr(isNumber),
  }),
  failures: object({ runs: list(object(run)), scopesLeftOut: isNumber }),
  feeds: object({ stores: list(object({ store: isText, problem: nullOr(isText), processors: list(object(processor)) })), now: isText }),
  processCost: object({ ...cost, since: isText, seconds: isNumber, requestUnits: isNumber, calls: isNumber, isPriced: isFlag }),
  monthCost: either(
    object({ isMeasured: is(false) }),
    object({
      ...cost,
      isMeasured: is(true),
      measuredOn: isText,
      isModel: isFlag,
      runs: isNumber,
      runsFrom: isText,
      retentionDays: isNumber,
      messages: isNumber,
      command: isText,
    }),
  ),
  migration: either(object({ ...migration, isPossible: is(false) }), object(migrationStatus)),
  result: nullOr(object({ type: isText })),
  variables: nullOr(object({ ...place, variables: isObject })),
  states: page(object(place)),
  lines: page(object({ ...place, level: isText, message: isText })),
  outline: object({
    slices: list(
      object({ first: object(place), last: object(place), levels: isObject, bins: Array.isArray, errors: list(object(place)), recordings: Array.isArray }),
    ),
    after: isText,
  }),
} satisfies Record<string, Shape>;
