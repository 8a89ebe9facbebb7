/** The sum of doubles as a whole multiple of 2^-1074, and the double that is nearest to it. */
export function exactSum(terms: readonly number[]): number {
  const units = terms.reduce((sum, term) => sum + unitsOf(term), 0n);
  // The nearest double, by bisection of its bits.
  const negative = units < 0n;
  const target = negative ? -units : units;
  const view = new DataView(new ArrayBuffer(8));
  const at = (bits: bigint) => {
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  };
  let low = 0n;
  let high = 0x7ff0000000000000n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (unitsOf(at(middle)) <= target) low = middle;
    else high = middle;
  }
  const [below, above] = [
    unitsOf(at(low)),
    high === 0x7ff0000000000000n ? 2n ** 2098n : unitsOf(at(high)),
  ];
  const up = 2n * target > below + above || (2n * target === below + above && low % 2n === 1n);
  const size = at(up ? high : low);
  return negative ? -size : size;
}

function unitsOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = bits >> 52n;
  const fraction = bits & (2n ** 52n - 1n);
  const units = exponent === 0n ? fraction : (fraction | (2n ** 52n)) << (exponent - 1n);
  return value < 0 ? -units : units;
}
