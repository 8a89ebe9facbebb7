/**
 * Some steps that touch no memory, between two looks at a line that another core writes: whoever looks without a pause takes the line away
 * from the writer.
 * @returns something that V8 cannot do without
 */
export function pause(steps: number): number {
  let done = 0;
  for (let i = steps; i > 0; i--) done ^= i;
  return done;
}
