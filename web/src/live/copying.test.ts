import { describe, expect, it } from 'vitest';
import { lineAt } from './copying';
import { placeToText } from './logView';
import type { LogLine } from './types';

const LINES: readonly LogLine[] = Array.from({ length: 200_000 }, (_, index) => ({
  recording: index % 3,
  number: index + 1,
  timestamp: new Date(Date.UTC(2026, 0, 1) + index).toISOString().replace('Z', '000Z'),
  level: 'info',
  message: 'a line',
}));

describe('the line that a selection touches', () => {
  it('is found among very many without looking at most of them', () => {
    let looks = 0;
    const shown = new Proxy(LINES, {
      get: (lines, name) => {
        looks += 1;
        return Reflect.get(lines, name);
      },
    });
    const line = LINES[170_001]!;
    const list = document.createElement('div');
    list.innerHTML = `<div data-line="${line.recording}-${line.number}" data-place="${placeToText(line)}"><span>a line</span></div>`;
    expect(lineAt(list, list.querySelector('span')!.firstChild, shown)).toBe(line);
    expect(looks).toBeLessThan(50);
  });

  it('is none where a row shows a line that is no longer there', () => {
    const list = document.createElement('div');
    const [line] = LINES;
    list.innerHTML = `<div data-line="${line!.recording}-${line!.number}" data-place="${placeToText(line!)}"></div>`;
    expect(lineAt(list, list.firstChild, LINES.slice(1))).toBe(undefined);
  });
});
