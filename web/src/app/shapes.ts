/** Whether an answer is what was asked for, as far as the page could fail at what it is not. */
export type Shape = (value: unknown) => boolean;

const isText: Shape = (value) => typeof value === 'string';
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
const place = { recording: Number.isSafeInteger, number: Number.isSafeInteger, timestamp: isText };
const run = { scope: isText, id: isText, workflow: isText, status: isText, startedAt: isText, by: object({ id: isText, name: isText }) };
const page = (item: Shape): Shape => object({ items: list(item), after: isText, before: nullOr(isText) });

export const shapes = {
  me: object({ name: isText, scope: isText, places: list(isText) }),
  scopes: list(object({ scope: isText, name: isText })),
  runs: object({ runs: list(object(run)), next: nullOr(isText) }),
  run: object(run),
  durations: object({ p95Ms: record(Number.isFinite) }),
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
