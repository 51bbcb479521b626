/** Steps of an axis from 0: at most so many, round, and whole numbers, as runs are counted. */
export function ticks(most: number, count: number): readonly number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power);
  const steps = Math.ceil(most / step);
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/** Which of so many columns get a label, if one takes so many of them: evenly, the last one always. */
export function labelled(count: number, room: number): ReadonlySet<number> {
  const step = Math.max(1, Math.ceil(count / Math.max(1, room)));
  const found = new Set<number>();
  for (let index = count - 1; index >= 0; index -= step) found.add(index);
  return found;
}

/** A line through values from 0 to the most of them, as the `d` of a path: it stops at null; a value alone is a short level line. */
export function line(values: readonly (number | null)[], width: number, height: number): string {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const across = values.length > 1 ? width / (values.length - 1) : width;
  let path = '';
  values.forEach((value, index) => {
    if (value === null) return;
    const isFirst = index === 0 || values[index - 1] === null;
    const isAlone = isFirst && (index === values.length - 1 || values[index + 1] === null);
    const x = index * across;
    path += `${isFirst ? 'M' : 'L'}${round(isAlone && x > 0 ? x - 1 : x)} ${round(height - (value / most) * height)}`;
    if (isAlone) path += 'h1';
  });
  return path;
}

export interface Part {
  readonly y: number;
  readonly height: number;
}

/** Parts of one column on top of each other, the first at the bottom; whatever is there is at least a pixel high. */
export function stacked(values: readonly number[], most: number, height: number): readonly Part[] {
  let bottom = height;
  return values.map((value) => {
    const size = value <= 0 || most <= 0 ? 0 : Math.max(1, (value / most) * height);
    bottom = Math.max(0, bottom - size);
    return { y: bottom, height: size };
  });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
