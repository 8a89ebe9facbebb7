/** Steps of a {@link pause} unless said otherwise, some 50 ns in all: about as long as a line takes from core to core. */
const PAUSE_STEPS = 150;

/**
 * Some steps that touch no memory, between two looks at a line that another core writes: whoever looks without a pause takes the line away
 * from the writer.
 * @returns something that V8 cannot do without
 */
export function pause(steps = PAUSE_STEPS): number {
  let done = 0;
  for (let i = steps; i > 0; i--) done ^= i;
  return done;
}
