/**
 * Log text made safe to look at: only text nodes come of it. Colours of SGR sequences are kept, other escapes dropped, and
 * characters that hide or turn what stands beside them are shown by their code.
 */

export interface Span {
  readonly text: string;
  /** Names of styles: `bold`, `dim`, `italic`, `underline`, `c0` to `c15`; `code` marks a character that is shown by its code. */
  readonly styles: readonly string[];
}

// ECMA-48: control sequences, strings (OSC, DCS, ...), and escapes of two or three characters.
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|[ -/]*[0-~])|\x9b([0-?]*)[ -/]*([@-~])/g;
const HIDDEN =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

/** Whatever `parse` and `lastState` change is among these. */
const UNUSUAL = /[^\x20-\x7e\t\n\xa1-\xac\xae-\u02ff]/;

/** Return what a terminal would still show of a line that rewrites itself by carriage returns: its last state. */
export function lastState(text: string): string {
  if (!text.includes('\r')) return text;
  return text
    .split('\n')
    .map((line) => line.split('\r').findLast((part) => part !== '') ?? '')
    .join('\n');
}

export function parse(text: string): Span[] {
  const spans: Span[] = [];
  let styles: readonly string[] = [];
  let end = 0;
  for (const match of text.matchAll(ESCAPE)) {
    addText(spans, text.slice(end, match.index), styles);
    end = match.index + match[0].length;
    if ((match[2] ?? match[4]) === 'm') styles = styled(styles, match[1] ?? match[3] ?? '');
  }
  addText(spans, text.slice(end), styles);
  return spans;
}

/** Return the text alone, as it is copied and searched in. */
export function plain(text: string): string {
  if (!UNUSUAL.test(text)) return text;
  return parse(lastState(text))
    .map((span) => span.text)
    .join('');
}

function addText(spans: Span[], text: string, styles: readonly string[]): void {
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > end) spans.push({ text: text.slice(end, match.index), styles });
    spans.push({ text: code(match[0]), styles: ['code'] });
    end = match.index + match[0].length;
  }
  if (end < text.length) spans.push({ text: text.slice(end), styles });
}

function code(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}

const SET: Readonly<Record<number, string>> = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline' };
const UNSET: Readonly<Record<number, readonly string[]>> = { 22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'] };

function styled(before: readonly string[], parameters: string): readonly string[] {
  const codes = parameters.split(/[;:]/).map(Number);
  let styles = before;
  for (let index = 0; index < codes.length; index += 1) {
    const one = codes[index]!;
    if (one === 0) styles = [];
    else if (SET[one] !== undefined) styles = [...styles.filter((style) => style !== SET[one]), SET[one]];
    else if (UNSET[one] !== undefined) styles = styles.filter((style) => !UNSET[one]!.includes(style));
    else if (one >= 30 && one <= 37) styles = coloured(styles, one - 30);
    else if (one >= 90 && one <= 97) styles = coloured(styles, one - 82);
    else if (one === 39) styles = styles.filter((style) => !isColour(style));
    // Colours of larger palettes, and all backgrounds, are left out: they cannot be held to a contrast.
    else if (one === 38 || one === 48) index += codes[index + 1] === 5 ? 2 : codes[index + 1] === 2 ? 4 : 0;
  }
  return styles;
}

function coloured(styles: readonly string[], colour: number): readonly string[] {
  return [...styles.filter((style) => !isColour(style)), `c${colour}`];
}

function isColour(style: string): boolean {
  return /^c\d/.test(style);
}
