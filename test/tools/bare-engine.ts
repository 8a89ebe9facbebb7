/** An engine without a program behind it. */
import { Engine, type EngineOptions } from '../../runtime/messaging/engine.ts';

/** A test looks at its requests, or drops them: one that fails unseen is no unhandled rejection of the test. */
export class BareEngine extends Engine {
  constructor(options: EngineOptions) {
    super(options);
    const { unseen } = this.completion;
    unseen.add = () => unseen;
  }
}
