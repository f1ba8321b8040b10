package Proc::Prefork::Interp::Scout;

# A process that the server forks once, to find out what perl's own end of an executor would do that
# Ending.pm must not leave out. It looks, says what it has found, and then dies in perl's own way, to see
# for which objects of setup perl calls something:
#
#   harmless CLASS    its DESTROY has nothing to do
#   living CLASS      one object of it that perl has destroyed here
#
# Status 0: all could be found out. Here modules may be loaded; no script runs in this process.

use 5.020;
use B ();

# Names in a shared object that make its end more than memory: C code that is called at the end,
# buffers of C's own, magic that may call code when a value is freed, other libraries than C's.
my $SUSPICIOUS = qr/\0(?: __cxa_atexit | on_exit | Perl_call_atexit | stdout | (?:__)?v?printf(?:_chk)? | puts | putchar
    | f(?:d)?open(?:64)? | popen | tmpfile(?:64)? | pthread_create | Perl_sv_magicext
    | lib(?!(?:c|m|pthread|perl|dl|crypt|rt)\.)[^\0\/]+\.so[.\d]* )\0/x;

# What a DESTROY may consist of, as perl calls it, to do nothing.
my %NOTHING = map { $_ => 1 } qw(leavesub lineseq nextstate dbstate null stub pushmark const return);

# run($answers) does all that. Does not return.
sub run {
    my ($answers) = @_;
    alarm 5;
    $0 = 'prefork-cgi-scout';    # for who looks at the processes
    Proc::Prefork::Interp::Descriptors::nothing(0 .. 2);
    %SIG = (ALRM => 'DEFAULT');
    Proc::Prefork::Interp::Syscall::leave(2) if _cannot_tell();
    my @tables = Proc::Prefork::Interp::Ending::tables();
    Proc::Prefork::Interp::Syscall::leave(3) if @tables > Proc::Prefork::Interp::Ending::MANY();
    my (%harmless, @watched);
    for my $class (map { $_->[0] } @tables) {
        my $method = _method($class, 'DESTROY');
        if ($method && _does_nothing($class, $method)) {
            $harmless{ $method + 0 } = 1;
            syswrite $answers, "harmless $class\n";
        }
    }
    for my $class (map { $_->[0] } @tables) {
        my $destructor = UNIVERSAL::can($class, 'DESTROY') // UNIVERSAL::can($class, 'AUTOLOAD') // next;
        push @watched, $class unless $harmless{ $destructor + 0 };
    }
    # Each open handle is one; executors close some of the server's, so these cannot be counted.
    Proc::Prefork::Interp::Syscall::leave(4) if grep { $_ eq 'IO::File' } @watched;
    for my $class (@watched) {
        no strict 'refs';
        no warnings;
        *{"${class}::DESTROY"} = sub { syswrite $answers, 'living ' . ref($_[0]) . "\n" };
    }
    @{ B::end_av()->object_2svref } = ();    # END blocks are the executors'
    exit 0;
}

# The debugger, files edited in place, threads, an END block that runs after ours, shared objects with more in them.
sub _cannot_tell {
    return 1 if $^P || defined $^I || $INC{'threads.pm'};
    my @ends = B::end_av()->ARRAY;
    return 1 if $ends[-1]->STASH->NAME ne 'Proc::Prefork::Interp::Loaded';
    for my $i (Proc::Prefork::Interp::Ending::unknown_libraries(0)) {
        next if $DynaLoader::dl_modules[$i] eq 'B';
        open my $file, '<:raw', $DynaLoader::dl_shared_objects[$i] or return 1;
        local $/;
        return 1 if readline($file) =~ $SUSPICIOUS;
    }
    return '';
}

# The method that is in this package itself.
sub _method {
    my ($class, $name) = @_;
    no strict 'refs';
    return defined &{"${class}::$name"} ? \&{"${class}::$name"} : undef;
}

# The regular expressions' own is C code in perl itself, and empty.
sub _does_nothing {
    my ($class, $method) = @_;
    my $code = B::svref_2object($method);
    return 1 if $code->CvFLAGS & B::CVf_CONST();
    return $class eq 'Regexp' && $code->FILE eq 'universal.c' unless ${ $code->ROOT };
    my @ops = $code->ROOT;
    while (my $op = shift @ops) {
        return '' unless $NOTHING{ $op->name };
        next unless $op->flags & B::OPf_KIDS();
        for (my $child = $op->first; $$child; $child = $child->sibling) {
            push @ops, $child;
        }
    }
    return 1;
}

1;
