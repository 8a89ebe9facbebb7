/** What somebody meant who made a typing error. */

/** Words that differ in more letters than this share of theirs are others. */
const ALIKE = 0.4;

/** The word that differs least from it; empty where none is near. */
export function nearestOf(word: string, words: readonly string[]): string {
  const nearest = words
    .map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }))
    .reduce((a, b) => (b.distance < a.distance ? b : a));
  return nearest.distance <= ALIKE * word.length ? nearest.candidate : '';
}

/** Letters to insert, to leave out, or to change (Levenshtein's distance). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(changed, above[j] + 1, row[j - 1] + 1));
    }
  }
  return row[b.length];
}
