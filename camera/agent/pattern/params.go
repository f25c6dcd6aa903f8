package pattern

// level is a row of table A-1: limits of macroblocks a second, macroblocks a picture and bits a second.
type level struct {
	idc        uint32
	mbps, size int
	kbits      int
}

var levels = [...]level{
	{10, 1485, 99, 64}, {11, 3000, 396, 192}, {12, 6000, 396, 384}, {13, 11880, 396, 768}, {20, 11880, 396, 2000},
	{21, 19800, 792, 4000}, {22, 20250, 1620, 4000}, {30, 40500, 1620, 10000}, {31, 108000, 3600, 14000},
	{32, 216000, 5120, 20000}, {40, 245760, 8192, 20000}, {41, 245760, 8192, 50000}, {42, 522240, 8704, 50000},
	{50, 589824, 22080, 135000}, {51, 983040, 36864, 240000}, {52, 2073600, 36864, 240000},
}

// levelFor is the lowest level that holds the stream; the highest there is, if none does.
func levelFor(c Config, mbWidth, mbHeight int) uint32 {
	rate := max(c.BitRate, 3_000_000) // what busy moments of the bare picture need
	for _, l := range levels {
		size := mbWidth * mbHeight
		if size <= l.size && size*c.FPS <= l.mbps && rate <= l.kbits*1000 &&
			mbWidth*mbWidth <= 8*l.size && mbHeight*mbHeight <= 8*l.size {
			return l.idc
		}
	}
	return levels[len(levels)-1].idc
}

const frameNumBits = 8

// makeSPS returns the sequence parameter set (section 7.3.2.1.1): Constrained Baseline, no reordering, one
// reference picture, BT.709 colours.
func makeSPS(c Config, mbWidth, mbHeight int) []byte {
	var w writer
	w.u(8, 66)   // profile_idc
	w.u(8, 0xc0) // constraint_set0_flag, constraint_set1_flag
	w.u(8, levelFor(c, mbWidth, mbHeight))
	w.ue(0)                // seq_parameter_set_id
	w.ue(frameNumBits - 4) // log2_max_frame_num_minus4
	w.ue(2)                // pic_order_cnt_type: output order is decoding order
	w.ue(1)                // max_num_ref_frames
	w.u(1, 0)              // gaps_in_frame_num_value_allowed_flag
	w.ue(uint32(mbWidth - 1))
	w.ue(uint32(mbHeight - 1))
	w.u(1, 1) // frame_mbs_only_flag
	w.u(1, 1) // direct_8x8_inference_flag
	right, bottom := mbWidth*16-c.Width, mbHeight*16-c.Height
	if right+bottom == 0 {
		w.u(1, 0) // frame_cropping_flag
	} else {
		w.u(1, 1)
		w.ue(0)
		w.ue(uint32(right / 2))
		w.ue(0)
		w.ue(uint32(bottom / 2))
	}
	w.u(1, 1) // vui_parameters_present_flag (annex E)
	w.u(1, 1) // aspect_ratio_info_present_flag
	w.u(8, 1) // square
	w.u(1, 0) // overscan_info_present_flag
	w.u(1, 1) // video_signal_type_present_flag
	w.u(3, 5) // video_format: unspecified
	w.u(1, 0) // video_full_range_flag
	w.u(1, 1) // colour_description_present_flag
	w.u(24, 0x010101)
	w.u(1, 0)  // chroma_loc_info_present_flag
	w.u(1, 1)  // timing_info_present_flag
	w.u(32, 1) // num_units_in_tick
	w.u(32, uint32(2*c.FPS))
	w.u(1, 0) // fixed_frame_rate_flag: a late machine leaves time out
	w.u(1, 0) // nal_hrd_parameters_present_flag
	w.u(1, 0) // vcl_hrd_parameters_present_flag
	w.u(1, 0) // pic_struct_present_flag
	w.u(1, 1) // bitstream_restriction_flag
	w.u(1, 1) // motion_vectors_over_pic_boundaries_flag
	w.ue(0)   // max_bytes_per_pic_denom
	w.ue(0)   // max_bits_per_mb_denom
	w.ue(0)   // log2_max_mv_length_horizontal: nothing moves
	w.ue(0)   // log2_max_mv_length_vertical
	w.ue(0)   // max_num_reorder_frames: a player need not wait
	w.ue(1)   // max_dec_frame_buffering
	w.trail()
	return appendNAL(nil, 3, nalSPS, w.buf)
}

// makePPS returns the picture parameter set (section 7.3.2.2): CAVLC, one slice group, our quantiser.
func makePPS() []byte {
	var w writer
	w.ue(0)   // pic_parameter_set_id
	w.ue(0)   // seq_parameter_set_id
	w.u(1, 0) // entropy_coding_mode_flag
	w.u(1, 0) // bottom_field_pic_order_in_frame_present_flag
	w.ue(0)   // num_slice_groups_minus1
	w.ue(0)   // num_ref_idx_l0_default_active_minus1
	w.ue(0)   // num_ref_idx_l1_default_active_minus1
	w.u(1, 0) // weighted_pred_flag
	w.u(2, 0) // weighted_bipred_idc
	w.se(qp - 26)
	w.se(0)   // pic_init_qs_minus26
	w.se(0)   // chroma_qp_index_offset
	w.u(1, 1) // deblocking_filter_control_present_flag
	w.u(1, 0) // constrained_intra_pred_flag
	w.u(1, 0) // redundant_pic_cnt_present_flag
	w.trail()
	return appendNAL(nil, 3, nalPPS, w.buf)
}

// sliceHeader starts the only slice of a picture (section 7.3.3). Deblocking is off, so that what was sent stays
// exactly as it is while macroblocks are skipped.
func sliceHeader(w *writer, key bool, frameNum, idrID uint32) {
	w.ue(0) // first_mb_in_slice
	if key {
		w.ue(7) // slice_type: I, as all of the picture
	} else {
		w.ue(5) // P
	}
	w.ue(0) // pic_parameter_set_id
	w.u(frameNumBits, frameNum)
	if key {
		w.ue(idrID)
		w.u(1, 0) // no_output_of_prior_pics_flag
		w.u(1, 0) // long_term_reference_flag
	} else {
		w.u(1, 0) // num_ref_idx_active_override_flag
		w.u(1, 0) // ref_pic_list_modification_flag_l0
		w.u(1, 0) // adaptive_ref_pic_marking_mode_flag
	}
	w.se(0) // slice_qp_delta
	w.ue(1) // disable_deblocking_filter_idc
}
