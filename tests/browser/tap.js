// Records what reaches the loudspeaker of every AudioContext, whoever plays it.
(() => {
  const PROCESSOR = `
    registerProcessor("tap", class extends AudioWorkletProcessor {
      constructor() {
        super();
        this.block = new Float32Array(2048);
        this.filled = 0;
      }
      process([[input]]) {
        for (const sample of input ?? new Float32Array(128)) {
          this.block[this.filled] = sample;
          this.filled += 1;
          if (this.filled === this.block.length) {
            this.port.postMessage(this.block.slice());
            this.filled = 0;
          }
        }
        return true;
      }
    });`;
  window.heard = [];
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination) {
      const source = new Blob([PROCESSOR], { type: "text/javascript" });
      this.context.audioWorklet.addModule(URL.createObjectURL(source)).then(() => {
        const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
        tap.port.onmessage = ({ data }) => window.heard.push(data);
        connect.call(this, tap);
      });
    }
    return connect.call(this, target, ...rest);
  };
})();
