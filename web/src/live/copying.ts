import { useEffect, useState, type ClipboardEvent, type KeyboardEvent, type RefObject } from 'react';
import { flushSync } from 'react-dom';
import { compact } from './JsonTree';
import { placeFromText } from './logView';
import { plain } from './text';
import { clock, type Zone } from './time';
import { indexIn, keyOf, type LogLine } from './types';

const LINES_AT_ONCE = 2_000;

/** Lines as text, as they are copied. */
export function asText(lines: readonly LogLine[], zone: Zone): string {
  return lines.map((line) => spelled(line, zone)).join('\n');
}

/** The same of many lines, without keeping the page from anything else meanwhile. */
export async function asTextInSteps(lines: readonly LogLine[], zone: Zone): Promise<string> {
  const all = lines.slice();
  const parts: string[] = [];
  for (let from = 0; from < all.length; from += LINES_AT_ONCE) {
    parts.push(asText(all.slice(from, from + LINES_AT_ONCE), zone));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return parts.join('\n');
}

function spelled(line: LogLine, zone: Zone): string {
  const data = line.data === undefined ? '' : `  ${compact(line.data)}`;
  const traceback = line.traceback === undefined ? '' : `\n${plain(line.traceback)}`;
  return `${clock(line.timestamp, zone)} ${line.level.toUpperCase().padEnd(8)} ${plain(line.message)}${data}${traceback}`;
}

export interface Copying {
  /** Indices of lines at which a selection begins or ends: they stay drawn, so that it stays what it is. */
  readonly kept: readonly number[];
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly onCopy: (event: ClipboardEvent) => void;
}

interface Selected {
  readonly from: LogLine;
  readonly to: LogLine;
}

/**
 * Copying from a list that draws only what is seen: what is selected over several lines is copied as whole lines, those
 * between that are not drawn among them, and Ctrl+A selects every line of the list.
 */
export function useCopying(
  body: RefObject<HTMLElement | null>,
  shown: readonly LogLine[],
  zone: Zone,
  /** Lines were selected: they may not move away. */
  onSelect: () => void,
): Copying {
  const [selected, setSelected] = useState<Selected | 'all' | null>(null);
  useEffect(() => {
    const onChange = (): void => {
      const list = logIn(body.current);
      setSelected((before) => selectedIn(list, shown, before));
    };
    document.addEventListener('selectionchange', onChange);
    return () => document.removeEventListener('selectionchange', onChange);
  }, [body, shown]);
  const isSelected = selected !== null;
  useEffect(() => {
    if (isSelected) onSelect();
  }, [isSelected, onSelect]);
  return {
    kept: selected === null || selected === 'all' ? [] : [...new Set([indexIn(shown, selected.from), indexIn(shown, selected.to)])],
    onKeyDown: (event) => {
      // The key may scroll the rows away at which the selection begins and ends: they have to be known before.
      flushSync(() => setSelected((before) => selectedIn(logIn(body.current), shown, before)));
      if (event.key.toLowerCase() !== 'a' || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      event.preventDefault();
      document.getSelection()?.selectAllChildren(event.currentTarget);
      setSelected('all');
    },
    onCopy: (event) => {
      // What is selected now may not have been told of yet.
      const now = selectedIn(logIn(body.current), shown, selected);
      if (now === null) return;
      const lines = now === 'all' ? shown : between(shown, now);
      if (lines.length < 2) return;
      event.preventDefault();
      event.clipboardData.setData('text/plain', asText(lines, zone));
    },
  };
}

function logIn(body: HTMLElement | null): Element | null {
  return body?.querySelector('[role=log]') ?? null;
}

function selectedIn(list: Element | null, shown: readonly LogLine[], before: Selected | 'all' | null): Selected | 'all' | null {
  const selection = document.getSelection();
  if (list === null || selection === null || selection.isCollapsed) return null;
  const { anchorNode, focusNode } = selection;
  if (anchorNode === list && focusNode === list) return 'all';
  const from = lineAt(list, anchorNode, shown);
  const to = lineAt(list, focusNode, shown);
  if (from === undefined || to === undefined) return null;
  return before !== null && before !== 'all' && before.from === from && before.to === to ? before : { from, to };
}

/** The line whose row a node stands in. */
export function lineAt(list: Element, node: Node | null, shown: readonly LogLine[]): LogLine | undefined {
  const element = node instanceof Element ? node : node?.parentElement;
  const row = element?.closest<HTMLElement>('[data-line]');
  if (!row || !list.contains(row)) return undefined;
  const place = placeFromText(row.dataset['place'] ?? null);
  const line = place === null ? undefined : shown[indexIn(shown, place)];
  return line !== undefined && keyOf(line) === row.dataset['line'] ? line : undefined;
}

function between(shown: readonly LogLine[], { from, to }: Selected): readonly LogLine[] {
  const [first, last] = [indexIn(shown, from), indexIn(shown, to)].sort((one, other) => one - other);
  return shown.slice(first, last! + 1);
}
