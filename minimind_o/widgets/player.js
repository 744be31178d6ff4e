// Plays an answer while it is still being made, and says how far it has come.
//
// Starts with the first sound of a turn. Runs it dry, it waits until `lead` seconds are
// there again, so that one late sound makes one gap and not many.

const PROCESSOR = `
const REPORT = 1920;  // samples: 80 ms
const FADE = 0.97;  // a sample: silent in 10 ms, without a click

class AnswerPlayer extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.lead = processorOptions.lead * sampleRate;
    this.forget(0);
    this.level = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  forget(turn) {
    Object.assign(this, { turn, queue: [], offset: 0, there: 0, played: 0 });
    Object.assign(this, { reported: 0, waits: false, waited: 0, ran: 0 });
  }

  take({ kind, turn, samples }) {
    if (kind === "restart") this.forget(0);
    if (kind === "restart" || turn < this.turn) return;
    if (turn > this.turn) this.forget(turn);
    if (kind === "silence") {
      this.forget(turn + 1);
      this.port.postMessage({ kind: "silent", turn, at: currentTime });
    } else {
      this.queue.push(samples);
      this.there += samples.length;
    }
  }

  process(_inputs, [[out]]) {
    const ahead = this.there - this.played;
    if (this.waits && ahead > 0) {
      this.waited += out.length;
      this.waits = ahead < this.lead && this.waited < this.lead;
    }
    let filled = this.waits ? 0 : this.fill(out);
    for (; filled < out.length; filled += 1) {
      this.level *= FADE;
      out[filled] = this.level;
    }
    const isDry = this.played === this.there;
    if (this.played - this.reported >= REPORT || (isDry && this.played > this.reported)) {
      this.reported = this.played;
      this.port.postMessage({ kind: "played", turn: this.turn, samples: this.played });
    }
    return true;
  }

  fill(out) {
    let filled = 0;
    while (filled < out.length && this.queue.length) {
      const head = this.queue[0];
      const part = head.subarray(this.offset, this.offset + out.length - filled);
      out.set(part, filled);
      filled += part.length;
      this.offset += part.length;
      this.played += part.length;
      if (this.offset === head.length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    if (filled) this.level = out[filled - 1];
    if (filled < out.length && this.played) Object.assign(this, { waits: true, waited: 0 });
    return filled;
  }
}
registerProcessor("answer-player", AnswerPlayer);
`;

// The player behind a widget or a page. `tell` gets {kind: "played", turn, samples},
// {kind: "gap", turn, number} for a sound that never came, and {kind: "silent", turn}.
export function createPlayer({ rate = 24000, lead = 0.16, tell = () => {} } = {}) {
  const context = new AudioContext({ sampleRate: rate });
  const next = { turn: 0, number: 0 };
  const ready = (async () => {
    const source = new Blob([PROCESSOR], { type: "text/javascript" });
    const address = URL.createObjectURL(source);
    await context.audioWorklet.addModule(address);
    URL.revokeObjectURL(address);
    const node = new AudioWorkletNode(context, "answer-player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { lead },
    });
    node.port.onmessage = ({ data }) => tell(data);
    node.connect(context.destination);
    return node;
  })();
  return {
    context,
    async sound(turn, number, samples) {
      if (turn !== next.turn) Object.assign(next, { turn, number: 0 });
      if (number !== next.number) tell({ kind: "gap", turn, number: next.number });
      next.number = number + 1;
      (await ready).port.postMessage({ kind: "sound", turn, samples }, [samples.buffer]);
    },
    async silence(turn) {
      (await ready).port.postMessage({ kind: "silence", turn });
    },
    // Turns are counted from the beginning again.
    async restart() {
      Object.assign(next, { turn: 0, number: 0 });
      (await ready).port.postMessage({ kind: "restart" });
    },
    // Browsers keep silent until the page was clicked on.
    resume: () => context.resume(),
    close: () => context.close(),
  };
}

// The bytes of a message as samples of their own.
export function samplesOf(view) {
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  return new Float32Array(bytes);
}

// One player for a widget, and a button for each place where it is shown.
export default function widget() {
  let player = null;

  function initialize({ model }) {
    player = createPlayer({
      rate: model.get("rate"),
      lead: model.get("lead"),
      tell: (report) => model.send(report),
    });
    model.on("msg:custom", (message, buffers) => {
      if (message.kind === "sound") {
        player.sound(message.turn, message.number, samplesOf(buffers[0]));
      } else if (message.kind === "silence") {
        player.silence(message.turn);
      }
    });
    return () => player.close();
  }

  function render({ el }) {
    const { context } = player;
    const button = document.createElement("button");
    button.className = "minimind-player jupyter-button";
    const show = () => {
      button.disabled = context.state === "running";
      button.textContent = button.disabled ? "sound is on" : "click to turn the sound on";
    };
    button.onclick = () => player.resume().then(show);
    context.addEventListener("statechange", show);
    show();
    el.append(button);
    return () => context.removeEventListener("statechange", show);
  }

  return { initialize, render };
}
