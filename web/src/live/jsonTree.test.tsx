import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { createElement } from 'react';
import { afterEach, describe, expect, it } from 'vitest';
import { compact, JsonTree } from './JsonTree';

afterEach(cleanup);

describe('a tree of JSON', () => {
  it('opens level by level, however deep it is', () => {
    let value: unknown = 'the bottom';
    for (let depth = 0; depth < 10_000; depth += 1) value = { [`level ${10_000 - depth}`]: value };
    render(createElement(JsonTree, { value, label: 'Deep' }));
    for (let level = 1; level <= 20; level += 1) fireEvent.click(screen.getByText(`level ${level}`));
    expect(screen.getByText('level 21')).toBeTruthy();
    expect(screen.queryByText('level 23')).toBeNull();
    expect(typeof compact(value)).toBe('string');
  });

  it('shows a hundred of many members, and a part of long texts and names, until more is asked for', () => {
    const value = { list: Array.from({ length: 5_000 }, (_, index) => index), text: 'x'.repeat(1_000_000), ['n'.repeat(5_000)]: 1 };
    const { container } = render(createElement(JsonTree, { value, label: 'Wide', open: 2 }));
    expect(container.querySelectorAll('li').length).toBeLessThan(110);
    expect(container.textContent!.length).toBeLessThan(3_000);
    expect(screen.getByText('4900 more')).toBeTruthy();
    fireEvent.click(screen.getByText('Show all 1,000,000 characters'));
    expect(container.textContent!.length).toBeGreaterThan(1_000_000);
  });
});
