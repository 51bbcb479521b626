import { describe, expect, it } from 'vitest';
import { footOf, type LogFootProps } from './LogFoot';
import { DEFAULT_LEVELS } from './logView';
import type { Outline, Slice } from './types';

const place = { recording: 0, number: 1, timestamp: '2026-01-01T00:00:00.000000Z' };
const slice = (change: Partial<Slice> = {}): Slice => ({
  first: place,
  last: place,
  levels: { info: 400, debug: 100 },
  bins: [500],
  errors: [],
  recordings: [0],
  after: '',
  ...change,
});
const outline = (change: Partial<Outline> = {}): Outline => ({ slices: [slice()], after: '', isLast: true, isLive: false, ended: { 0: 0 }, ...change });
const NOTHING = { matches: [], isDone: true, isCut: false, error: null, retry: () => undefined };
const foot = (change: Partial<LogFootProps> = {}): string =>
  footOf({
    outline: outline(),
    view: { levels: DEFAULT_LEVELS },
    state: { phase: 'ready', isFromStart: true, isAtEnd: true, unreadable: 0 },
    search: NOTHING,
    isFiltered: false,
    isFinal: true,
    shown: 400,
    ...change,
  }).join(' · ');
const state = { phase: 'ready', isFromStart: false, isAtEnd: true, unreadable: 0 } as const;

describe('the foot of a log', () => {
  it('says whether all lines are there', () => {
    expect(foot()).toBe('400 lines · INFO and above · all loaded');
    expect(foot({ state, shown: 200 })).toBe('400 lines · INFO and above · 200 loaded');
    expect(foot({ outline: outline({ isLast: false }) })).toBe('400+ lines · INFO and above · all loaded');
    expect(foot({ outline: null, state, shown: 200 })).toBe('200+ lines · INFO and above · 200 loaded');
    expect(foot({ outline: null, state: { ...state, phase: 'loading' }, shown: 0 })).toBe('reading…');
    expect(foot({ outline: null, state: { ...state, phase: 'failed' }, shown: 0 })).toBe('not read');
  });

  it('says what is missing: what was dropped, cannot be read, or never came', () => {
    const two = [slice({ recordings: [0, 1], dropped: { 0: 4, 1: 200 } }), slice({ recordings: [1], levels: {}, dropped: { 1: 1_000 } })];
    const ended = foot({ outline: outline({ slices: two, ended: { 0: 5, 1: 1_204 } }) });
    expect(ended).toBe('400 lines · INFO and above · all loaded · 1,209 items were dropped');
    const live = foot({ outline: outline({ slices: two, ended: { 0: 5 }, isLive: true }), isFinal: false });
    expect(live).toBe('400 lines · INFO and above · all loaded · 1,205 items were dropped');
    const killed = foot({ outline: outline({ slices: [slice({ recordings: [0, 1] })] }) });
    expect(killed).toBe('400 lines · INFO and above · all loaded · the end of recording 2 has not come');
    expect(foot({ outline: outline({ ended: { 0: 1 } }) })).toContain('1 item was dropped');
    expect(foot({ state: { ...state, unreadable: 1 } })).toContain('1 part cannot be read');
    const { ended: _, ...untold } = outline();
    expect(foot({ outline: untold })).toBe('400 lines · INFO and above · all loaded');
  });

  it('says how far a search has come', () => {
    const searching = { isFiltered: true, shown: 1 };
    expect(foot({ ...searching, search: { ...NOTHING, isDone: false } })).toBe('1 matching line · INFO and above · searching…');
    expect(foot(searching)).toBe('1 matching line · INFO and above · all searched');
    expect(foot({ ...searching, search: { ...NOTHING, isCut: true } })).toBe('1 matching line · INFO and above · there are more');
    expect(foot({ ...searching, search: { ...NOTHING, error: new Error() } })).toContain('the search failed');
  });
});
