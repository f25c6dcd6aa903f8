import { plural } from '../plural';

const videos = (n: number) => plural('en', n, { one: 'One video', other: `${n} videos` });

export default {
  title: 'Save as video',
  done: 'The video is saved',
  saved: (files: number, size: string) => `${videos(files)}, ${size}.`,
  plain: 'It is not encrypted any more: whoever has the file can watch it. That it was saved is in the log.',
  locked: 'Unlock the vault first: the recordings are opened in your browser.',
  saving: 'Opening and saving …',
  progress: (done: string, all: string, percent: number) => `${done} of about ${all}, ${percent} %`,
  fromTo: (from: string, to: string) => `${from} to ${to}`,
  cameras: 'Which cameras',
  note: 'Note for the log',
  noteHint: 'What it is for',
  looking: 'Looking what is there',
  nothing: 'Nothing was recorded between the marks.',
  plan: (files: number, time: string, size: string) => `${videos(files)}, ${time}, about ${size}.`,
  keyFrames: 'It begins up to a few seconds earlier, at a picture that stands alone; picture and sound stay as the camera sent them.',
  several: 'A camera changed its stream meanwhile, which makes a file of its own.',
  tooLarge: {
    title: 'Too much for this browser',
    detail: (most: string) => `This browser cannot write to the disk while it works, and holds about ${most} in its memory. Mark less, or use Chrome or Edge on a computer.`,
  },
  memory: (most: string) => `This browser makes the file in its memory, so that ${most} is the most.`,
  save: 'Save',
};
