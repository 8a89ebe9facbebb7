import { expect, test } from 'vitest';
import { parseTap } from './tap.ts';

test('claims, their names, numbers and comments', () => {
  const { claims, problems } = parseTap(
    'ok 1 - munmap fires\n# seed 7\nnot ok 2 - mprotect does not\r\n# it did\n1..2\n',
  );
  expect(problems).toEqual([]);
  expect(claims).toEqual([
    { ok: true, number: 1, name: 'munmap fires', skip: undefined, comments: ['# seed 7'] },
    {
      ok: false,
      number: 2,
      name: 'mprotect does not',
      skip: undefined,
      comments: ['# seed 7', '# it did'],
    },
  ]);
});

test('a failed claim shows what was said before the claims ahead of it', () => {
  const { claims } = parseTap(
    '# --seed 7\n# round 3: slot 5, by mremap\nok 1 - none is missed\nnot ok 2 - none fires\n# 1 did\nok 3 - no leak\n1..3\n',
  );
  expect(claims.map(({ comments }) => comments)).toEqual([
    ['# --seed 7', '# round 3: slot 5, by mremap'],
    ['# --seed 7', '# round 3: slot 5, by mremap', '# 1 did'],
    ['# 1 did'],
  ]);
});

test('a skip carries its reason and is no failure', () => {
  const { claims } = parseTap('1..1\nok 1 - hugetlb # SKIP no huge pages\n');
  expect(claims[0]).toMatchObject({ ok: true, name: 'hugetlb', skip: 'no huge pages' });
});

test.each([
  ['no plan', 'ok 1 - a\n', /no plan/],
  ['a claim missing', '1..2\nok 1 - a\n', /1 claims of 2/],
  ['a claim out of order', '1..2\nok 1 - a\nok 3 - b\n', /claim 3 where 2/],
  ['a bail-out', 'ok 1 - a\nBail out! no device\n1..1\n', /Bail out! no device/],
  ['an empty plan', '1..0\n', /nothing was tested/],
  ['no output', '', /no plan/],
])('a stream with %s is a failure', (_name, text, problem) => {
  expect(parseTap(text).problems.join('\n')).toMatch(problem);
});
