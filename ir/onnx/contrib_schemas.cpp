#include "ir/onnx/contrib_schemas.h"

#include <charconv>
#include <climits>

namespace lathe {
namespace {

// clang-format off: one op a line reads better than wrapped string literals.
constexpr ContribOp kOps[] = {
    {"Attention", "input:T weights:T bias:T? mask_index:M? past:T? attention_bias:T? past_sequence_length:M?",
     "output:T present:T?", "T=float,float16,bfloat16 M=int32",
     "do_rotary:i mask_filter_value:f num_heads:i! past_present_share_buffer:i qkv_hidden_sizes:is "
     "rotary_embedding_dim:i scale:f unidirectional:i=0"},
    {"BiasAdd", "X:T bias:T skip:T", "Y:T", "T=float16,float", ""},
    {"BiasDropout", "data:T bias:T residual:T? ratio:T1? training_mode:T2?", "output:T mask:T2?",
     "T=float16,float,double,bfloat16 T1=float16,float,double,bfloat16 T2=bool", "seed:i"},
    {"BiasGelu", "A:T B:T", "C:T", "T=float16,float,double,bfloat16", ""},
    {"BiasSoftmax", "data:T bias:T", "output:T", "T=float16,float,double", "axis:i=1 is_inner_broadcast:i!"},
    {"BiasSplitGelu", "X:T bias:T", "Y:T", "T=float16,float", ""},
    {"BranchwiseRMSNorm", "X:T scale:M?", "Y:T", "T=float,float16,bfloat16 M=float,float16,bfloat16",
     "epsilon:f=9.99999975e-06 num_branches:i=0"},
    {"CDist", "A:T B:T", "C:T", "T=float,double", "metric:s=sqeuclidean"},
    {"CausalConvWithState", "input:T weight:T bias:T? past_state:T?", "output:T present_state:T",
     "T=float,float16,bfloat16",
     "activation:s=none channels_last:i=0 dilation:i=1 ndim:i=1 state_window:i=0"},
    {"ComplexMul", "A:T B:T", "C:T", "T=float,double,float16", ""},
    {"ComplexMulConj", "A:T B:T", "C:T", "T=float,double,float16", ""},
    {"ConvTransposeWithDynamicPads", "X:T W:T Pads:=int64? B:T?", "Y:T", "T=float16,float,double",
     "auto_pad:s=NOTSET dilations:is group:i=1 kernel_shape:is output_padding:is strides:is"},
    {"CropAndResize", "X:T1 rois:T1 batch_indices:T2 crop_size:T2", "Y:T1",
     "T1=float16,float,double T2=int32", "extrapolation_value:f=0 mode:s=bilinear"},
    {"DecoderAttention",
     "query:T key:T q_weight:T kv_weight:T bias:T key_padding_mask:B? key_cache:T? value_cache:T? "
     "static_kv:B use_past:B has_layer_state:B has_key_padding_mask:B",
     "output:T new_key_cache:T? new_value_cache:T?", "T=float,float16 B=bool",
     "mask_filter_value:f num_heads:i!"},
    {"DecoderMaskedMultiHeadAttention",
     "query:T key:T? value:T? mask_index:M? attention_bias:T? past_key:T? past_value:T? "
     "past_sequence_length:M? beam_width:M? cache_indirection:M? bias:T?",
     "output:T present_key:T? present_value:T? qk:QK?", "T=float,float16 QK=float,float16 M=int32",
     "mask_filter_value:f num_heads:i! output_qk:i past_present_share_buffer:i scale:f"},
    {"DecoderMaskedSelfAttention",
     "input:T weights:T bias:T mask_index:M? past:T attention_bias:T? past_sequence_length:M beam_width:M? "
     "cache_indirection:M?",
     "output:T present:T", "T=float,float16 M=int32",
     "do_rotary:i mask_filter_value:f num_heads:i! past_present_share_buffer:i scale:f"},
    {"DequantizeLinear", "x:T1 x_scale:T2 x_zero_point:T1?", "y:T2",
     "T1=int8,uint8,int16,uint16,int32,int4,uint4 T2=float16,float", "axis:i"},
    {"DynamicQuantizeLSTM",
     "X:T W:T2 R:T2 B:T? sequence_lens:T1? initial_h:T? initial_c:T? P:T? W_scale:T W_zero_point:T2 "
     "R_scale:T R_zero_point:T2",
     "Y:T? Y_h:T? Y_c:T?", "T=float T1=int32 T2=uint8,int8",
     "activation_alpha:fs activation_beta:fs activations:ss clip:f direction:s=forward hidden_size:i "
     "input_forget:i=0"},
    {"DynamicQuantizeMatMul", "A:T1 B:T2 b_scale:T1 b_zero_point:T2? bias:T1?", "Y:T1",
     "T1=float T2=int8,uint8", ""},
    {"DynamicSparseAttention",
     "query:T key:T? value:T? past_key:T? past_value:T? auxiliary_key:T? auxiliary_value:T? "
     "selected_indices:M selected_counts:M seqlens_k:M total_sequence_length:M cos_cache:T? sin_cache:T? "
     "position_ids:=int64? q_norm_weight:T? k_norm_weight:T? head_sink:T?",
     "output:T present_key:T? present_value:T?", "T=float,float16,bfloat16 M=int32",
     "attention_mode:s=selected_only auxiliary_kv_shared:i=0 do_rotary:i=0 is_causal:i=1 kv_num_heads:i! "
     "local_window_size:i=-1 num_heads:i! qk_norm_epsilon:f=9.99999997e-07 rotary_interleaved:i=0 "
     "rotary_offset:i=0 scale:f selected_kv_source:s=main smooth_softmax:i=0"},
    {"DynamicTimeWarping", "input:F", "output:I", "F=float I=int32", ""},
    {"EmbedLayerNormalization",
     "input_ids:T1 segment_ids:T1? word_embedding:T position_embedding:T segment_embedding:T? gamma:T beta:T "
     "mask:T1? position_ids:T1?",
     "output:T mask_index:T1? embedding_sum:T?", "T1=int32 T=float,float16",
     "epsilon:f=9.99999996e-13 mask_index_type:i"},
    {"ExpandDims", "X:T axis:=int32", "Y:T",
     "T=uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,"
     "complex128",
     ""},
    {"FastGelu", "X:T bias:T?", "Y:T", "T=float,double,float16,bfloat16", ""},
    {"FusedConv", "X:T W:T B:T? Z:T?", "Y:T", "T=float16,float,double",
     "activation:s activation_params:fs auto_pad:s=NOTSET dilations:is group:i=1 kernel_shape:is pads:is "
     "strides:is"},
    {"FusedGemm", "A:T B:T C:T?", "Y:T", "T=float16,float,double,uint32,uint64,int32,int64",
     "activation:s activation_alpha:f activation_beta:f activation_gamma:f alpha:f=1 beta:f=1 transA:i=0 "
     "transB:i=0"},
    {"FusedMatMul", "A:T B:T", "Y:T", "T=float16,float,double,bfloat16",
     "alpha:f=1 transA:i=0 transB:i=0 transBatchA:i=0 transBatchB:i=0"},
    {"FusedMatMulActivation", "A:T B:T", "Y:T", "T=float16,float,double,bfloat16",
     "activation:s! activation_alpha:f activation_axis:i activation_beta:f activation_gamma:f alpha:f=1 "
     "transA:i=0 transB:i=0 transBatchA:i=0 transBatchB:i=0"},
    {"GatedAdd", "X:T Y:T gate:T", "output:T", "T=float,float16,bfloat16", ""},
    {"GatedDeltaNet",
     "query:T key:T? value:T? cu_seqlens:TI? decay:TS? beta:TS? initial_state:TS? a_log:TS? dt_bias:TS? "
     "capture_count:TI? state_update_active:TI?",
     "output:T final_state:TS? state_update:TS?", "T=float,float16,bfloat16 TS=float TI=int32",
     "beta_activation:s=none chunk_size:i=64 gate_activation:s=none qk_l2_norm:i=0 scale:f=0 "
     "state_update_capacity:i=0 update_rule:s=gated_delta"},
    {"GatedRMSNorm", "X:T scale:T gate:T", "Y:T", "T=float,float16,bfloat16",
     "activation:s=silu epsilon:f=9.99999975e-06"},
    {"GatedRelativePositionBias",
     "query_layer:T query_bias:T rel_pos:T weight:T bias:T eco_a:T token_offset:M?", "output:T",
     "T=float,float16 M=int32", "num_heads:i!"},
    {"GatherBlockQuantized", "data:T1 indices:Tind scales:T2 zero_points:T1?", "output:T2",
     "T1=int4,uint4,uint8,float8e4m3fn,float8e4m3fnuz,float8e5m2,float8e5m2fnuz,float4e2m1 "
     "T2=float,float16,bfloat16 Tind=int32,int64",
     "bits:i=4 block_size:i=128 gather_axis:i=0 quantize_axis:i=1"},
    {"GatherND", "data:T indices:Tind", "output:T",
     "T=uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,"
     "complex128 Tind=int32,int64",
     ""},
    {"Gelu", "X:T", "Y:T", "T=float16,float,double,bfloat16", ""},
    {"GemmFastGelu", "X:T W:T bias:T?", "Y:T", "T=float,float16,bfloat16", ""},
    {"GemmFloat8", "A:TA B:TB C:TC? scaleA:TS? scaleB:TS? scaleY:TS?", "Y:TR",
     "TA=float8e4m3fn,float8e5m2,float16,bfloat16,float TB=float8e4m3fn,float8e5m2,float16,bfloat16,float "
     "TC=float16,bfloat16,float TR=float8e4m3fn,float8e5m2,float16,bfloat16,float TS=float",
     "activation:s alpha:f=1 beta:f=0 dtype:i=1 transA:i=0 transB:i=0"},
    {"GemmaRotaryEmbedding", "emb:U q:T q_rot:T k:T k_rot:T", "output1:T output2:T", "T=float16 U=float", ""},
    {"GridSample", "X:T1 Grid:T1", "Y:T2",
     "T1=uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,"
     "complex128 T2=float16,float,double",
     "align_corners:i=0 mode:s=bilinear padding_mode:s=zeros"},
    {"GroupNorm", "X:T gamma:M beta:M", "Y:T", "T=float16,float M=float16,float",
     "activation:i! channels_last:i=1 epsilon:f=9.99999975e-06 groups:i!"},
    {"GroupQueryAttention",
     "query:T key:T? value:T? past_key:T_CACHE? past_value:T_CACHE? seqlens_k:M total_sequence_length:M "
     "cos_cache:T? sin_cache:T? position_ids:=int64? attention_bias:T? head_sink:T? k_scale:T_KV_SCALE? "
     "v_scale:T_KV_SCALE? q_norm_weight:T? k_norm_weight:T?",
     "output:T present_key:T_CACHE? present_value:T_CACHE? output_qk:T?",
     "T=float16,bfloat16,float T_CACHE=float,float16,bfloat16,uint8,int8,float8e4m3fn T_KV_SCALE=float "
     "M=int32",
     "causal:i=1 do_rotary:i k_quant_type:s=NONE kv_cache_bit_width:i kv_num_heads:i! local_window_size:i=-1 "
     "num_heads:i! qk_norm_epsilon:f=9.99999997e-07 qk_output:i=0 rotary_interleaved:i scale:f "
     "sliding_window_cache:i=0 smooth_softmax:i=-1 softcap:f v_quant_type:s=NONE"},
    {"HyperConnectionPostMix", "streams:T block_output:T post_mix:M stream_mix:M?", "output:T",
     "T=float,float16,bfloat16 M=float,float16,bfloat16", "num_branches:i=0"},
    {"HyperConnectionPreMix", "streams:T pre_mix:M", "output:T",
     "T=float,float16,bfloat16 M=float,float16,bfloat16", "num_branches:i=0 reduction_scale:f=1"},
    {"Inverse", "X:T", "Y:T", "T=float16,float,double", ""},
    {"Irfft", "X:T", "Y:T", "T=float,double,float16", "normalized:i=0 onesided:i=1 signal_ndim:i!"},
    {"LinearAttention", "query:T key:T value:T past_state:S? decay:T? beta:T?", "output:T present_state:S",
     "T=float,float16,bfloat16 S=float,float16,bfloat16",
     "chunk_size:i=64 kv_num_heads:i! q_num_heads:i! scale:f=0 state_window:i=0 update_rule:s=gated_delta"},
    {"LinearAttentionGate", "a:T dt_bias:TF decay_scale:TF b:T?", "decay:T beta:T?",
     "T=float,float16,bfloat16 TF=float", ""},
    {"LongformerAttention", "input:T weight:T bias:T mask:T global_weight:T global_bias:T global:G",
     "output:T", "T=float,float16 G=int32", "num_heads:i! window:i!"},
    {"MRotaryEmbedding", "input:T position_ids:M cos_cache:T sin_cache:T", "output:T",
     "T=float,float16,bfloat16 M=int64",
     "interleaved:i is_packed_batching:i mrope_layout:i mrope_section:is! num_heads:i rotary_embedding_dim:i "
     "scale:f"},
    {"MatMulBlockQuantizedFp4Weight", "A:T B:T1 weight_scale:T2 weight_scale_2:T3 input_scale:T3? bias:T?",
     "Y:T", "T=float16,bfloat16 T1=uint8 T2=uint8 T3=float", "block_size:i=16"},
    {"MatMulBlockQuantizedFp8Weight", "A:T B:T1 b_scale:T2 a_scale:T2? bias:T?", "Y:T",
     "T=float16,bfloat16 T1=float8e4m3fn T2=float", "block_size:i=128"},
    {"MatMulBnb4", "A:T1 B:T2 absmax:T1", "Y:T1", "T1=float,float16,bfloat16 T2=uint8",
     "K:i! N:i! block_size:i! quant_type:i! training_mode:i=0 transB:i=1"},
    {"MatMulFpQ4", "A:T1 B:T2 B_shape:T3", "Y:T1", "T1=float T2=uint8 T3=int64", "blk_quant_type:i=1"},
    {"MatMulInteger16", "A:T1 B:T2", "Y:T3", "T1=int16,uint16 T2=int16,uint16 T3=int32,uint32", ""},
    {"MatMulIntegerToFloat", "A:T1 B:T2 a_scale:T3 b_scale:T3 a_zero_point:T1? b_zero_point:T2? bias:T3?",
     "Y:T3", "T1=int8,uint8 T2=int8,uint8 T3=float,float16", ""},
    {"MatMulNBits", "A:T1 B:T2 scales:T1 zero_points:T3? g_idx:T4? bias:T1?", "Y:T1",
     "T1=float,float16,bfloat16 T2=uint8 T3=uint8,float16,float,bfloat16 T4=int32",
     "K:i! N:i! accuracy_level:i=0 bits:i=4 block_size:i! weight_prepacked:i=0"},
    {"MatMulNBitsMlp",
     "A:T1 skip:T1? norm_scale:T1? gate_B:T2 gate_scales:T1 gate_bias:T1? up_B:T2 up_scales:T1 up_bias:T1?",
     "Y:T1 input_skip_bias_sum:T1?", "T1=float,float16,bfloat16 T2=uint8",
     "K:i! N:i! accuracy_level:i=0 activation:s! bits:i=4 block_size:i! epsilon:f=9.99999975e-06"},
    {"MatMulNBitsQkv",
     "A:T1 skip:T1? norm_scale:T1 q_B:T2 q_scales:T1 q_bias:T1? k_B:T2 k_scales:T1 k_bias:T1? v_B:T2 "
     "v_scales:T1 v_bias:T1?",
     "Q:T1 K:T1 V:T1 input_skip_bias_sum:T1?", "T1=float,float16,bfloat16 T2=uint8",
     "K:i! Nkv:i! Nq:i! accuracy_level:i=0 bits:i=4 block_size:i! epsilon:f=9.99999997e-07"},
    {"MoE",
     "input:T router_probs:T fc1_experts_weights:T fc1_experts_bias:T? fc2_experts_weights:T "
     "fc2_experts_bias:T? fc3_experts_weights:T? fc3_experts_bias:T?",
     "output:T", "T=float,float16,bfloat16",
     "activation_alpha:f=1 activation_beta:f=0 activation_type:s=relu k:i=1 normalize_routing_weights:i=0 "
     "swiglu_fusion:i=0 swiglu_limit:f use_sparse_mixer:i=0"},
    {"MulInteger", "A:T A_zero_point:T? B:T B_zero_point:T?", "C:T1", "T=uint8,int8 T1=int32", ""},
    {"MultiHeadAttention",
     "query:T key:T? value:T? bias:T? key_padding_mask:M? attention_bias:T? past_key:T? past_value:T? "
     "past_sequence_length:M? cache_indirection:M?",
     "output:T present_key:T? present_value:T? qk:QK?",
     "T=float,float16,bfloat16 QK=float,float16,bfloat16 M=int32",
     "mask_filter_value:f num_heads:i! scale:f unidirectional:i=0"},
    {"MurmurHash3", "X:T1", "Y:T2", "T1=uint32,int32,uint64,int64,float,double,string T2=uint32,int32",
     "positive:i=1 seed:i=0"},
    {"NhwcConv", "X:T W:T B:T?", "Y:T", "T=float16,float,double",
     "auto_pad:s=NOTSET dilations:is group:i=1 kernel_shape:is pads:is strides:is"},
    {"NhwcFusedConv", "X:T W:T B:T? Z:T?", "Y:T", "T=float16,float",
     "activation:s activation_params:fs auto_pad:s=NOTSET dilations:is group:i=1 kernel_shape:is pads:is "
     "strides:is"},
    {"NhwcMaxPool", "x:T", "y:T", "T=int8,uint8",
     "auto_pad:s=NOTSET ceil_mode:i=0 dilations:is kernel_shape:is! pads:is strides:is"},
    {"PackedAttention",
     "input:T weights:T bias:T token_offset:M cumulative_sequence_length:M attention_bias:T?", "output:T",
     "T=float,float16 M=int32", "num_heads:i! qkv_hidden_sizes:is scale:f"},
    {"PackedMultiHeadAttention",
     "query:T key:T? value:T? bias:T? token_offset:M cumulative_sequence_length:M attention_bias:T?",
     "output:T", "T=float,float16 M=int32", "mask_filter_value:f num_heads:i! scale:f"},
    {"PackedSparseAttentionIndexer",
     "query:T key:T? query_norm_weight:T key_norm_weight:T cos_cache:T sin_cache:T "
     "cumulative_sequence_lengths:M past_sequence_lengths:M gate:T? position_bias:T? head_weights:T? "
     "position_ids:I? past_key_state:T past_kv_buffer:T past_gate_buffer:T? past_state_lengths:M "
     "state_update_capture_count:M? state_update_active:M?",
     "selected_indices:M selected_counts:M present_key_state:T present_kv_buffer:T present_gate_buffer:T? "
     "present_state_lengths:M state_update:T?",
     "T=float,float16,bfloat16 I=int64 M=int32",
     "compress_ratio:i! epsilon:f=9.99999997e-07 head_weight_scale:f index_topk:i policy_mode:s! scale:f "
     "state_capacity:i! state_update_capacity:i=0 token_budget:i"},
    {"Pad", "data:T pads:=int64 value:T?", "output:T", "T=float16,float,double", "mode:s=constant"},
    {"PagedAttention",
     "query:T key:T? value:T? key_cache:T_CACHE value_cache:T_CACHE? cumulative_sequence_length:S "
     "past_seqlens:S block_table:S cos_cache:T? sin_cache:T? slot_mapping:S? head_sink:T? q_norm_weight:T? "
     "k_norm_weight:T? k_scale:T_KV_SCALE? v_scale:T_KV_SCALE? attention_metadata:S?",
     "output:T key_cache_out:T_CACHE? value_cache_out:T_CACHE?",
     "T=float16,bfloat16 T_CACHE=float16,bfloat16,int8,float8e4m3fn,uint8 T_KV_SCALE=float S=int32",
     "do_rotary:i is_causal:i=1 k_cache_dtype:s= k_quant_type:s=NONE kv_cache_layout:s=SEPARATE "
     "kv_num_heads:i! local_window_size:i=-1 num_heads:i! qk_norm_epsilon:f rotary_interleaved:i "
     "rotary_offset:i scale:f softcap:f v_cache_dtype:s= v_head_size:i v_quant_type:s=NONE"},
    {"QAttention",
     "input:T1 weight:T2 bias:T3 input_scale:T3 weight_scale:T3 mask_index:T4? input_zero_point:T1? "
     "weight_zero_point:T2? past:T3?",
     "output:T3 present:T3?", "T1=int8,uint8 T2=int8,uint8 T3=float,float16 T4=int32",
     "do_rotary:i mask_filter_value:f num_heads:i! past_present_share_buffer:i scale:f unidirectional:i=0"},
    {"QEmbedLayerNormalization",
     "input_ids:T1 segment_ids:T1? word_embedding_quant:T2 position_embedding_quant:T2 segment_embedding:T2? "
     "gamma_quant:T2 beta_quant:T2 mask:T1? word_embedding_scale:T position_embedding_scale:T "
     "segment_embedding_scale:T? gamma_scale:T beta_scale:T word_embedding_zero_point:T2 "
     "position_embedding_zero_point:T2 segment_embedding_zero_point:T2? gamma_zero_point:T2 "
     "beta_zero_point:T2",
     "layernorm_out:T mask_index_out:T1", "T1=int32 T2=int8,uint8 T=float", "epsilon:f=9.99999996e-13"},
    {"QGemm",
     "A:TA a_scale:T a_zero_point:TA B:TB b_scale:T b_zero_point:TB C:TC? y_scale:T? y_zero_point:TYZ?",
     "Y:TY", "T=float TA=uint8,int8 TB=uint8,int8 TC=int32 TYZ=uint8,int8 TY=float,uint8,int8",
     "alpha:f=1 transA:i=0 transB:i=0"},
    {"QLinearAdd",
     "A:T A_scale:=float A_zero_point:T? B:T B_scale:=float B_zero_point:T? C_scale:=float C_zero_point:T?",
     "C:T", "T=uint8,int8", ""},
    {"QLinearAveragePool", "X:T x_scale:=float x_zero_point:T? y_scale:=float y_zero_point:T?", "Y:T",
     "T=uint8,int8",
     "auto_pad:s=NOTSET ceil_mode:i=0 channels_last:i=0 count_include_pad:i=0 kernel_shape:is! pads:is "
     "strides:is"},
    {"QLinearConcat", "Y_scale:TF Y_zero_point:T8 inputs:TV*1", "Y:T8",
     "T8=uint8,int8 TF=float TV=uint8,int8,float", "axis:i!"},
    {"QLinearConv",
     "x:T1 x_scale:=float x_zero_point:T1 w:T2 w_scale:=float w_zero_point:T2 y_scale:=float y_zero_point:T3 "
     "B:T4?",
     "y:T3", "T1=int8,uint8 T2=int8,uint8 T3=int8,uint8 T4=int32",
     "auto_pad:s=NOTSET channels_last:i=0 dilations:is group:i=1 kernel_shape:is pads:is strides:is"},
    {"QLinearGlobalAveragePool", "X:T x_scale:=float x_zero_point:T y_scale:=float y_zero_point:T", "Y:T",
     "T=uint8,int8", "channels_last:i=0"},
    {"QLinearLeakyRelu", "X:T X_scale:=float X_zero_point:T? Y_scale:=float Y_zero_point:T?", "Y:T",
     "T=uint8,int8", "alpha:f=0.00999999978"},
    {"QLinearMul",
     "A:T A_scale:=float A_zero_point:T? B:T B_scale:=float B_zero_point:T? C_scale:=float C_zero_point:T?",
     "C:T", "T=uint8,int8", ""},
    {"QLinearReduceMean",
     "data:T data_scale:=float data_zero_point:T? reduced_scale:=float reduced_zero_point:T?", "reduced:T",
     "T=uint8,int8", "axes:is! keepdims:i!"},
    {"QLinearSigmoid", "X:T X_scale:=float X_zero_point:T? Y_scale:=float Y_zero_point:T?", "Y:T",
     "T=uint8,int8", ""},
    {"QLinearSoftmax", "X:T X_scale:=float x_zero_point:T? y_scale:=float y_zero_point:T", "Y:T",
     "T=uint8,int8", "axis:i=-1 opset:i!"},
    {"QLinearWhere",
     "condition:B X:T x_scale:TF x_zero_point:T Y:T y_scale:TF y_zero_point:T z_scale:TF z_zero_point:T",
     "Z:T", "B=bool TF=float T=uint8,int8", ""},
    {"QMoE",
     "input:T router_probs:T fc1_experts_weights:T1 fc1_scales:T2? fc1_experts_bias:T? "
     "fc2_experts_weights:T1 fc2_scales:T2? fc2_experts_bias:T? fc3_experts_weights:T1? fc3_scales:T2? "
     "fc3_experts_bias:T? fc1_zero_points:T1? fc2_zero_points:T1? fc3_zero_points:T1? router_weights:T? "
     "fc1_global_scale:T4? fc2_global_scale:T4? fc1_act_scale:T4? fc2_act_scale:T4? fc1_act_block_scale:T2? "
     "fc2_act_block_scale:T2?",
     "output:T",
     "T=float,float16,bfloat16 T1=uint8,float8e4m3fn T2=float,float16,bfloat16,float8e8m0,float8e4m3fn "
     "T4=float",
     "accuracy_level:i=0 activation_alpha:f=1 activation_beta:f=0 activation_type:s=relu block_size:i "
     "expert_weight_bits:i=4 fc1_expert_weight_bits:i fc2_expert_weight_bits:i fc3_expert_weight_bits:i "
     "k:i=1 normalize_routing_weights:i=0 quant_type:s=int swiglu_fusion:i=0 swiglu_limit:f "
     "use_sparse_mixer:i=0 weights_prepacked:i=-1"},
    {"QuantizeLinear", "x:T1 y_scale:T1 y_zero_point:T2?", "y:T2",
     "T1=float16,float T2=int8,uint8,int16,uint16,int4,uint4", "axis:i"},
    {"QuickGelu", "X:T", "Y:T", "T=float16,float,double,bfloat16", "alpha:f=1.70200002"},
    {"Range", "start:T limit:T delta:T?", "Y:T", "T=float,double,int16,int32,int64", ""},
    {"ReduceSumInteger", "data:T1", "reduced:T2", "T1=int8,uint8 T2=int32,uint32", "axes:is! keepdims:i!"},
    {"RelativePositionBias", "bias_table:T query_length:U key_length:U", "output:T",
     "T=float,float16 U=int64", "is_bidirectional:i=0 max_distance:i!"},
    {"RemovePadding", "input:T sequence_token_count:M",
     "output:T token_offset:M cumulated_seq_len:M max_seq_len:M", "T=float,float16 M=int32", ""},
    {"RestorePadding", "input:T token_offset:M", "output:T", "T=float,float16 M=int32", ""},
    {"Rfft", "X:T", "Y:T", "T=float,double,float16", "normalized:i=0 onesided:i=1 signal_ndim:i=1"},
    {"RotaryEmbedding", "input:T position_ids:M cos_cache:T sin_cache:T", "output:T",
     "T=float,float16,bfloat16 M=int64",
     "interleaved:i is_packed_batching:i num_heads:i rotary_embedding_dim:i scale:f"},
    {"ScaledSiLU", "X:T scale:M?", "Y:T", "T=float,float16,bfloat16 M=float,float16,bfloat16", "alpha:f=1"},
    {"SimplifiedLayerNormalization", "X:T scale:V", "Y:V inv_std_var:U?",
     "T=float16,float,double,bfloat16 U=float,double V=float16,float,double,bfloat16",
     "axis:i=-1 epsilon:f=1e-05 stash_type:i=1"},
    {"SkipGroupNorm", "X:T gamma:M beta:M skip:T bias:T?", "Y:T S:T?", "T=float16,float M=float16,float",
     "activation:i! channels_last:i=1 epsilon:f=9.99999975e-06 groups:i!"},
    {"SkipLayerNormalization", "input:T skip:T gamma:T beta:T? bias:T?",
     "output:T mean:U? inv_std_var:U? input_skip_bias_sum:T?", "T=float,float16,bfloat16 U=float",
     "epsilon:f=9.99999996e-13"},
    {"SkipSimplifiedLayerNormalization", "input:T skip:T gamma:T bias:T?",
     "output:T mean:U? inv_std_var:U? input_skip_bias_sum:T?", "T=float,float16,bfloat16 U=float",
     "epsilon:f=9.99999996e-13"},
    {"SparseAttention",
     "query:T key:T? value:T? past_key:T past_value:T block_row_indices:M block_col_indices:M "
     "total_sequence_length:M key_total_sequence_lengths:M cos_cache:T? sin_cache:T?",
     "output:T present_key:T present_value:T", "T=float,float16,bfloat16 M=int32",
     "do_rotary:i kv_num_heads:i! num_heads:i! rotary_interleaved:i scale:f sparse_block_size:i!"},
    {"SparseAttentionIndexer",
     "query:T key:T? query_norm_weight:T key_norm_weight:T cos_cache:T sin_cache:T mask:TB? past_key:T "
     "gate:T? position_bias:T? head_weights:T? position_ids:I? past_sequence_length:M? past_proj_buffer:T?",
     "selected_indices:M present_key:T present_proj_buffer:T?",
     "T=float,float16,bfloat16 TB=int64 I=int64 M=int32",
     "compress_ratio:i! epsilon:f=9.99999997e-07 head_weight_scale:f index_topk:i policy_mode:s! scale:f "
     "token_budget:i"},
    {"SparsePagedAttention",
     "query:T key:T? value:T? key_cache:T_CACHE value_cache:T_CACHE cumulative_sequence_length:S "
     "past_seqlens:S block_table:S slot_mapping:S? selected_indices:S selected_counts:S auxiliary_key:T? "
     "auxiliary_value:T? auxiliary_lengths:S? cos_cache:T? sin_cache:T? head_sink:T? q_norm_weight:T? "
     "k_norm_weight:T? k_scale:T_KV_SCALE? v_scale:T_KV_SCALE? attention_metadata:S?",
     "output:T key_cache_out:T_CACHE? value_cache_out:T_CACHE?",
     "T=float16,bfloat16 T_CACHE=float16,bfloat16,int8 T_KV_SCALE=float S=int32",
     "attention_mode:s=selected_only auxiliary_cache_layout:s=contiguous auxiliary_kv_shared:i=0 "
     "do_rotary:i=0 is_causal:i=1 k_quant_type:s=NONE kv_num_heads:i! local_window_size:i=-1 num_heads:i! "
     "qk_norm_epsilon:f=9.99999997e-07 rotary_interleaved:i=0 rotary_offset:i=0 scale:f "
     "selected_kv_source:s=main softcap:f v_quant_type:s=NONE"},
    {"TransposeMatMul", "A:T B:T", "Y:T", "T=float16,float,double,bfloat16",
     "alpha:f=1 transA:i=0 transB:i=0"},
    {"Trilu", "X:T k:=int64?", "Y:T",
     "T=float16,float,double,bfloat16,uint8,uint16,uint32,uint64,int8,int16,int32,int64,bool", "upper:i=1"},
    {"UnfoldTensor", "input:T", "output:T",
     "T=uint8,uint16,uint32,uint64,int8,int16,int32,int64,bfloat16,float16,float,double,string,bool,"
     "complex64,complex128",
     "dim:i=-1 size:i! step:i=1"},
    {"Unique", "x:T", "y:T idx:=int64 counts:=int64",
     "T=uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,"
     "complex128",
     ""},
    {"VarlenCausalConvWithState",
     "input:T weight:T cumulative_sequence_length:M bias:T? initial_state:T capture_count:M?",
     "output:T final_state:T state_update:T?", "T=float,float16,bfloat16 M=int32",
     "activation:s=none dilation:i=1 state_update_capacity:i=0"},
};
// clang-format on

using Words = std::vector<std::string_view>;

Words split(std::string_view text, char separator) {
  Words words;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

std::vector<DType> types_of(std::string_view list) {
  std::vector<DType> types;
  for (const std::string_view name : split(list, ',')) types.push_back(*dtype_from_name(name));
  return types;
}

// "T" looked up in the op's type table; "=int64" is the type itself.
std::vector<DType> types_of(std::string_view type, const Words& table) {
  if (type.starts_with('=')) return types_of(type.substr(1));
  for (const std::string_view entry : table)
    if (entry.starts_with(type) && entry.substr(type.size()).starts_with('='))
      return types_of(entry.substr(type.size() + 1));
  throw std::logic_error("contrib schema: no type " + std::string(type));
}

void unpack_formals(std::string_view text, const Words& table, int& least, int& most,
                    std::vector<std::vector<DType>>& types, std::vector<std::string>& names) {
  for (const std::string_view word : split(text, ' ')) {
    const size_t colon = word.find(':');
    std::string_view type = word.substr(colon + 1);
    ++most;
    if (const size_t star = type.find('*'); star != std::string_view::npos) {
      least = most - 1 + (type[star + 1] - '0');
      most = INT_MAX;
      type = type.substr(0, star);
    } else if (type.ends_with('?')) {
      type.remove_suffix(1);
    } else {
      least = most;
    }
    names.emplace_back(word.substr(0, colon));
    types.push_back(types_of(type, table));
  }
}

template <class T>
T number(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

SchemaAttr unpack_attr(std::string_view kind, bool has_default, std::string_view otherwise) {
  SchemaAttr a;
  if (kind.ends_with('!')) {
    a.required = true;
    kind.remove_suffix(1);
  }
  const auto value = [&](AttrKind k, AttrValue v) {
    a.kind = k;
    if (has_default) a.otherwise = std::move(v);
  };
  if (kind == "i") value(AttrKind::Int, number<int64_t>(otherwise));
  if (kind == "f") value(AttrKind::Float, number<float>(otherwise));
  if (kind == "s") value(AttrKind::String, std::string(otherwise));
  if (kind == "t") value(AttrKind::Tensor, {});
  if (kind == "g") value(AttrKind::Graph, {});
  if (kind == "is" || kind == "fs" || kind == "ss") {
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
    for (const std::string_view word : split(otherwise, ',')) {
      if (kind == "is") ints.push_back(number<int64_t>(word));
      if (kind == "fs") floats.push_back(number<float>(word));
      if (kind == "ss") strings.emplace_back(word);
    }
    if (kind == "is") value(AttrKind::Ints, std::move(ints));
    if (kind == "fs") value(AttrKind::Floats, std::move(floats));
    if (kind == "ss") value(AttrKind::Strings, std::move(strings));
  }
  return a;
}

}  // namespace

std::span<const ContribOp> contrib_ops() { return kOps; }

Schema unpack(const ContribOp& op) {
  Schema s;
  s.domain = "com.microsoft";
  s.type = op.type;
  const Words table = split(op.types, ' ');
  unpack_formals(op.inputs, table, s.min_inputs, s.max_inputs, s.input_types, s.input_names);
  unpack_formals(op.outputs, table, s.min_outputs, s.max_outputs, s.output_types, s.output_names);
  for (const std::string_view word : split(op.attrs, ' ')) {
    const size_t colon = word.find(':'), equals = word.find('=', colon);
    const bool has_default = equals != std::string_view::npos;
    const std::string_view kind =
        word.substr(colon + 1, has_default ? equals - colon - 1 : std::string_view::npos);
    s.attrs.emplace(
        word.substr(0, colon),
        unpack_attr(kind, has_default, has_default ? word.substr(equals + 1) : std::string_view()));
  }
  return s;
}

}  // namespace lathe
