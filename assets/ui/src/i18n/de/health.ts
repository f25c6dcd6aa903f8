import type en from '../en/health';

export default {} satisfies typeof en;
