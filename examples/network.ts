/** A network of two layers that reads digits, and how it learns from one of them. */

export const PIXELS = 64;
const DIGITS = 10;

export class Network {
  readonly #hidden: number;
  /** All weights of both layers, and behind those of each neuron what is added. */
  readonly weights: Float32Array;
  /** In the same order. */
  readonly gradient: Float32Array;
  readonly #inner: Float64Array;
  readonly #outer = new Float64Array(DIGITS);
  /** Where the second layer begins. */
  readonly #second: number;

  constructor(hidden: number, random: () => number) {
    this.#hidden = hidden;
    this.#inner = new Float64Array(hidden);
    this.#second = hidden * (PIXELS + 1);
    const count = this.#second + DIGITS * (hidden + 1);
    this.weights = new Float32Array(count).map((_, i) => {
      const inputs = i < this.#second ? PIXELS : hidden;
      return (2 * random() - 1) * Math.sqrt(3 / inputs);
    });
    this.gradient = new Float32Array(count);
  }

  /** Fills both layers; the second one with probabilities. */
  #run(image: Float32Array): void {
    const [inner, outer] = [this.#inner, this.#outer];
    layer(this.weights, 0, image, inner);
    for (let i = 0; i < inner.length; i++) inner[i] = Math.max(0, inner[i]);
    layer(this.weights, this.#second, inner, outer);
    const most = Math.max(...outer);
    let sum = 0;
    for (let i = 0; i < DIGITS; i++) sum += outer[i] = Math.exp(outer[i] - most);
    for (let i = 0; i < DIGITS; i++) outer[i] /= sum;
  }

  /** The digit that an image shows. */
  read(image: Float32Array): number {
    this.#run(image);
    return this.#outer.indexOf(Math.max(...this.#outer));
  }

  /** Adds the gradient of one digit, by its share in the batch. @returns the loss */
  learn(image: Float32Array, digit: number, share: number): number {
    this.#run(image);
    const [inner, outer] = [this.#inner, this.#outer];
    const loss = -Math.log(outer[digit]);
    // From here on each layer has what the loss changes with.
    outer[digit] -= 1;
    const back = new Float64Array(this.#hidden);
    for (let to = 0; to < DIGITS; to++) {
      const row = this.#second + to * (this.#hidden + 1);
      for (let from = 0; from < this.#hidden; from++)
        back[from] += outer[to] * this.weights[row + from];
      addGradient(this.gradient, row, inner, outer[to] * share);
    }
    for (let to = 0; to < this.#hidden; to++)
      if (inner[to] > 0) addGradient(this.gradient, to * (PIXELS + 1), image, back[to] * share);
    return loss;
  }
}

type Numbers = Float32Array | Float64Array;

/** Each neuron's weights times the input, and what is added. */
function layer(weights: Float32Array, first: number, input: Numbers, output: Float64Array): void {
  let at = first;
  for (let to = 0; to < output.length; to++) {
    let sum = 0;
    for (let from = 0; from < input.length; from++) sum += weights[at++] * input[from];
    output[to] = sum + weights[at++];
  }
}

function addGradient(gradient: Float32Array, row: number, input: Numbers, by: number): void {
  for (let from = 0; from < input.length; from++) gradient[row + from] += by * input[from];
  gradient[row + input.length] += by;
}
