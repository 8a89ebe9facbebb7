/** An engine without a program behind it. */
import { Engine } from '../../runtime/messaging/engine.ts';
import type { EngineOptions } from '../../runtime/messaging/engine-options.ts';

/** A test looks at its requests, or drops them: one that fails unseen is no unhandled rejection of the test. */
export class BareEngine extends Engine {
  constructor(options: EngineOptions) {
    super(options);
    const { unseen } = this.completion;
    unseen.add = () => unseen;
  }
}
