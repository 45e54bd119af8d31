//! Run-time choice of the vector unit: one body, compiled for three machines.

/// Defines a function whose body, an `#[inline(always)]` function, is compiled for AVX-512, for AVX2 and for the baseline,
/// and which runs the best one this machine has.
macro_rules! tiered {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $wide:path, $middle:path, $base:path;) => {
        $(#[$doc])*
        $vis fn $name<T: $crate::kernel::real::Real>($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn wide<T: $crate::kernel::real::Real>($($arg: $ty),*) {
                    $wide($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn middle<T: $crate::kernel::real::Real>($($arg: $ty),*) {
                    $middle($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: this machine has every feature the function is compiled for.
                    return unsafe { wide($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: this machine has every feature the function is compiled for.
                    return unsafe { middle($($arg),*) };
                }
            }
            $base($($arg),*)
        }
    };
}

pub(super) use tiered;
