import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lastState, parse, plain } from './text';

describe('text of lines', () => {
  it('keeps colours of SGR sequences and drops every other escape', () => {
    expect(parse('\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[22m\x1b[39m plain')).toEqual([
      { text: 'red', styles: ['c1'] },
      { text: ' and ', styles: [] },
      { text: 'green', styles: ['bold', 'c2'] },
      { text: ' plain', styles: [] },
    ]);
    expect(plain('\x1b]0;title\x07\x1b[2J\x1b[1;1Ha\x1b(Bb\x9b31mc\x1bP1$r\x1b\\d')).toBe('abcd');
  });

  it('copies ordinary text as it is, and any other as it is shown', () => {
    const shown = (text: string): string => parse(lastState(text)).map((span) => span.text).join('');
    const texts = fc.string({ unit: fc.oneof(fc.constantFrom('a', '\r', '\n', '\t', '\x1b[1m', '\u00ad', '\u202e', '\x85', 'é'), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' })) });
    fc.assert(fc.property(texts, (text) => plain(text) === shown(text)));
  });

  it('does not take colours of larger palettes for others', () => {
    expect(parse('\x1b[38;5;1mx\x1b[38;2;31;32;33my\x1b[48;5;4;1mz')).toEqual([
      { text: 'x', styles: [] },
      { text: 'y', styles: [] },
      { text: 'z', styles: ['bold'] },
    ]);
  });

  it('shows by its code what hides or turns text', () => {
    expect(plain('a\u202eb\u0000c\u200bd\ud800e\ufefff')).toBe('aU+202EbU+0000cU+200BdU+D800eU+FEFFf');
    expect(plain('emoji 👩‍🚀 and é stay')).toContain('é stay');
  });

  it('shows the last state of a line that rewrites itself', () => {
    expect(lastState('10%\r50%\r100% done')).toBe('100% done');
    expect(lastState('10%\r50%\r')).toBe('50%');
    expect(lastState('a\r\nb\r\nc')).toBe('a\nb\nc');
  });

  it('is harmless whatever it is given, and loses no letter', () => {
    const pieces = fc.oneof(
      fc.constantFrom('\x1b[', '\x1b]', '\x1b', '\x9b', 'm', ';', '31', '\r', '\u202e', '\ud83d', '\udc00', '\x07', '<b>', '38;5'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        const text = parts.join('');
        const shown = plain(text);
        expect(shown).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
        expect(shown.isWellFormed()).toBe(true);
        expect(plain(shown)).toBe(shown);
      }),
    );
  });

  it('takes a line of megabytes in no time that anybody notices', () => {
    for (const text of ['\x1b['.repeat(500_000), '\x1b]'.repeat(500_000), 'x'.repeat(2_000_000), '\u202e'.repeat(20_000)]) {
      expect(parse(text).length).toBeGreaterThanOrEqual(0);
    }
  });
});
