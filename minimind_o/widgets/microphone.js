// The microphone, in pieces, at the rate at which the sound card gives it: Python
// resamples, as one stream, so that every browser sounds the same.

const PROCESSOR = `
class Listener extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.piece = new Float32Array(Math.round(processorOptions.seconds * sampleRate));
    this.filled = 0;
  }

  process([[input]]) {
    for (const sample of input ?? []) {
      this.piece[this.filled] = sample;
      this.filled += 1;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor("listener", Listener);
`;

// Starts to listen; `heard(samples, rate, number)` gets a piece every `seconds`. Returns
// how to stop. Throws where there is no microphone, or the user says no.
export async function openMicrophone(heard, seconds = 0.02) {
  if (!navigator.mediaDevices) {
    throw new Error("browsers give pages a microphone on localhost or over https only");
  }
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: {
      channelCount: 1,
      echoCancellation: true,
      noiseSuppression: false,
      autoGainControl: false,
    },
  });
  const context = new AudioContext();
  const address = URL.createObjectURL(
    new Blob([PROCESSOR], { type: "text/javascript" }),
  );
  await context.audioWorklet.addModule(address);
  URL.revokeObjectURL(address);
  const listener = new AudioWorkletNode(context, "listener", {
    numberOfOutputs: 0,
    processorOptions: { seconds },
  });
  let number = 0;
  listener.port.onmessage = ({ data }) => {
    heard(data, context.sampleRate, number);
    number += 1;
  };
  context.createMediaStreamSource(stream).connect(listener);
  await context.resume();
  return async () => {
    listener.port.onmessage = null;
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
  };
}

// 0 for silence to 1 for full scale, even to the ear: 60 dB.
export function levelOf(samples) {
  const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  return Math.max(0, 1 + Math.log10(power + 1e-12) / 6);
}

function render({ model, el }) {
  el.classList.add("minimind-microphone");
  const button = document.createElement("button");
  button.className = "jupyter-button";
  const meter = document.createElement("meter");
  meter.title = "how loud the microphone is";
  const file = document.createElement("input");
  Object.assign(file, { type: "file", accept: "audio/*" });
  const label = document.createElement("label");
  label.append(" or a recording: ", file);
  const note = document.createElement("span");
  el.append(button, " ", meter, label, " ", note);

  let stop = null;
  const show = (text = "") => {
    button.textContent = stop ? "stop" : "speak";
    note.textContent = text;
  };
  const heard = (samples, rate, number) => {
    meter.value = levelOf(samples);
    model.send({ kind: "microphone", number, rate }, undefined, [samples.buffer]);
  };
  const close = async () => {
    await stop?.();
    stop = null;
    meter.value = 0;
  };
  button.onclick = async () => {
    button.disabled = true;
    try {
      if (stop) await close();
      else stop = await openMicrophone(heard, model.get("piece"));
      show();
    } catch (error) {
      show(`No microphone: ${error.message}. Give a recording instead.`);
    }
    button.disabled = false;
  };
  file.onchange = async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    if (chosen.size > model.get("max_bytes")) {
      show(`${chosen.name} is too large: ${model.get("max_bytes") / 1e6} MB at most.`);
      return;
    }
    show(`${chosen.name} …`);
    model.send({ kind: "recording" }, undefined, [await chosen.arrayBuffer()]);
    file.value = "";
  };
  const told = () => show(model.get("note"));
  model.on("change:note", told);
  show(model.get("note"));
  return () => {
    model.off("change:note", told);
    return close();
  };
}

export default { render };
